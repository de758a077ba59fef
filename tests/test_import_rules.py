"""The import rules on a small tree: what the design allows passes, and each rule catches what it forbids."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

ALLOWED = {
    "models/codec.py": "import numpy",
    "models/load.py": "import torch\nimport models.codec\nimport models.codicodec",
    "models/codicodec.py": "import torch",
    "models/training/train.py": "import torch\nimport models.codicodec",
    "realtime/params.py": "import numpy",
    "realtime/client.py": "import socket\nimport realtime.params",
    "realtime/telemetry.py": "import realtime.params",
    "realtime/timeline.py": "import numba",
    "realtime/worker.py": "import models\nimport models.codec\nimport models.load\nimport realtime.timeline",
    "realtime/engine.py": "import threading\nimport multiprocessing\nimport realtime.worker",
    "realtime/rack.py": "import pyo\nimport pedalboard",
    "realtime/drivers/portaudio.py": "import sounddevice\nimport realtime.timeline",
    "realtime/cli.py": "import realtime.engine\ndef gui():\n    import gui.app\n"
    "def train():\n    import models.training.train\n"
    "def bench():\n    import benchmarks.host",
    "realtime/osc/server.py": "import realtime.osc.commands",
    "realtime/osc/commands.py": "import realtime.params",
    "gui/app.py": "import PySide6\nimport pyqtgraph\nimport gui.window",
    "gui/window.py": "import realtime.client\nimport realtime.params\nimport realtime.telemetry",
    "benchmarks/host.py": "import torch\nimport models.codicodec\nimport realtime.engine",
}


def lint(tree: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
        for folder in path.parents[: len(Path(name).parents) - 1]:
            (folder / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", tree)
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True)


def test_the_design_keeps_every_rule(tmp_path: Path):
    done = lint(tmp_path, ALLOWED)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("models/classic.py", "import threading"),
        ("models/pcm.py", "import realtime.timeline"),
        ("realtime/bends.py", "import torch"),
        ("realtime/tape.py", "import models.codicodec"),
        ("realtime/session.py", "import gui.window"),
        ("realtime/osc/commands.py", "import realtime.osc.server"),
        ("realtime/meter.py", "def show():\n    import pyqtgraph"),
        ("realtime/engine.py", "import sounddevice"),
        ("gui/meters.py", "import realtime.engine"),
        ("gui/raster.py", "import torch"),
        ("gui/controls.py", "import models.codec"),
        ("realtime/params.py", "import realtime.rack"),  # the window would load pyo through it
    ],
)
def test_a_forbidden_import_is_caught(tmp_path: Path, name: str, line: str):
    done = lint(tmp_path, ALLOWED | {name: line})
    assert done.returncode == 1
    assert "BROKEN" in done.stdout
