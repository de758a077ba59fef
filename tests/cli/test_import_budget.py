"""Modules that each process imports before it does anything: counted, so that a start stays fast."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.support.systems import needs_posix

pytestmark = needs_posix("a count of Linux")

HEAVY = ("torch", "numba", "llvmlite", "PySide6", "scipy", "av", "soundfile", "sounddevice", "rich", "pyo")
COMPILED = {"numba", "llvmlite", "scipy"}  # of scipy the name only, so that numba does not ask it for a BLAS
HELP = "main(['--help'])"
CODECS = "main(['codecs'])"
COMMAND = "import contextlib\nfrom realtime.cli.main import main\nwith contextlib.suppress(SystemExit): {}"
REPORT = "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"


def imported(code: str) -> set[str]:
    """Return the modules that are loaded after some code has run in a new process."""
    found = subprocess.run([sys.executable, "-c", code + REPORT], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(json.loads(found.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("code", "heavy", "most"),
    [
        (COMMAND.format(HELP), set(), 400),
        (COMMAND.format(CODECS), {"av"}, 470),
        ("import realtime.session.live_session", COMPILED | {"av", "soundfile", "rich"}, 1000),
        ("import realtime.worker.main_loop", COMPILED, 800),
        ("import gui.app", {"PySide6"}, 700),
    ],
    ids=["help", "codecs", "engine", "worker", "window"],
)
def test_a_process_imports_no_more_than_it_needs(code: str, heavy: set[str], most: int) -> None:
    found = imported(code)
    assert {name for name in HEAVY if name in found} <= heavy
    assert len(found) <= most


def test_a_heavy_import_would_be_seen() -> None:
    assert "soundfile" in imported("import soundfile")
