"""The import rules on a small tree: what the design allows passes, and each rule catches what it forbids."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

ALLOWED = {
    "models/codec.py": "import numpy",
    "models/load.py": "import torch\nimport models.codec\nimport models.codicodec.codec",
    "models/codicodec/codec.py": "import torch",
    "models/weights_io/download.py": "import http.client",
    "models/training/train.py": "import torch\nimport models.codicodec.codec",
    "realtime/parameters/table.py": "import numpy",
    "realtime/client.py": "import socket\nimport realtime.parameters.table",
    "realtime/timeline/telemetry.py": "import numpy",
    "realtime/timeline/layout.py": "import numba",
    "realtime/worker/scheduler.py": "import models\nimport models.codec\nimport models.load\n"
    "import realtime.timeline.layout",
    "realtime/engine/engine.py": "import threading\nimport multiprocessing\nimport realtime.worker.scheduler",
    "realtime/effects.py": "import pyo\nimport pedalboard",
    "realtime/drivers/portaudio/api.py": "import sounddevice\nimport realtime.timeline.layout",
    "realtime/cli/main.py": "import realtime.engine.engine\nimport realtime.cli.commands.gui",
    "realtime/cli/commands/gui.py": "def run():\n    import gui.app",
    "realtime/cli/commands/training.py": "def run_train():\n    import models.training.train\n"
    "def run_bench():\n    import benchmarks.host",
    "realtime/osc/server.py": "import realtime.osc.commands",
    "realtime/osc/commands.py": "import realtime.parameters.table",
    "gui/app.py": "import PySide6\nimport gui.window",
    "gui/window.py": "import realtime.client\nimport realtime.parameters.table\nimport realtime.timeline.telemetry",
    "benchmarks/host.py": "import torch\nimport models.codicodec.codec\nimport realtime.engine.engine",
}


def lint(tree: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
        for folder in path.parents[: len(Path(name).parents) - 1]:
            (folder / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", tree)
    start = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    command = [sys.executable, "-X", "utf8", "-c", start, "--no-cache"]
    return subprocess.run(command, cwd=tree, capture_output=True, encoding="utf-8")


def test_the_design_keeps_every_rule(tmp_path: Path):
    done = lint(tmp_path, ALLOWED)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("models/classic/ffmpeg.py", "import threading"),
        ("models/pcm.py", "import realtime.timeline.layout"),
        ("models/swift/codec.py", "import http.client"),
        ("realtime/bends.py", "import torch"),
        ("realtime/files/tape.py", "import models.codicodec.codec"),
        ("realtime/session/config.py", "import gui.window"),
        ("realtime/osc/commands.py", "import realtime.osc.server"),
        ("realtime/worker/scheduler.py", "import realtime.engine.engine"),  # a ring of packages
        ("realtime/timeline/layout.py", "import realtime.effects"),  # upwards, without a ring
        ("realtime/recording/takes.py", "import realtime.osc.server"),  # sideways
        ("realtime/extras/new.py", "import math"),  # a package that has no layer
        ("realtime/meter.py", "def show():\n    import PySide6"),
        ("realtime/engine/engine.py", "import sounddevice"),
        ("gui/plots/meters.py", "import realtime.engine.engine"),
        ("gui/plots/ring_image.py", "import torch"),
        ("gui/widgets/parameter_controls.py", "import models.codec"),
        ("realtime/parameters/table.py", "import realtime.effects"),  # the window would load pyo through it
    ],
)
def test_a_forbidden_import_is_caught(tmp_path: Path, name: str, line: str):
    done = lint(tmp_path, ALLOWED | {name: line})
    assert done.returncode == 1
    assert "BROKEN" in done.stdout
