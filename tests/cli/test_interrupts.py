"""Ctrl-C at many moments after the start of a command: one line or nothing, never a traceback."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="signals to a process group")]
MOMENTS = 12
COMMANDS = {
    "live": ["live", "--driver", "clock", "--a", "pcm", "--b", "off", "--seconds", "1", "--osc", "0"],
    "plan": ["plan", "--a", "pcm", "--b", "off"],
    "codecs": ["codecs"],
    "version": ["--version"],
    "demo": ["demo", "--once"],
    "gui": ["gui", "--demo", "--screenshot", "window.png"],
    "doctor": ["doctor"],
    "refused": ["render", "missing.wav", "out.wav"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_soon_after_the_start_is_one_line_or_nothing(tmp_path: Path, command: str) -> None:
    moments = random.Random(command)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(tmp_path)}
    for _ in range(MOMENTS):
        program = [sys.executable, "-m", "realtime.cli.main", *COMMANDS[command]]
        process = subprocess.Popen(
            program, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, text=True,
        )  # fmt: skip
        time.sleep(moments.uniform(0.0, 0.5))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in out
        if "Traceback" in err:  # Python's own start, before the first line of this program
            assert "realtime" not in err, err
        else:
            assert len(err.splitlines()) <= 1, err
