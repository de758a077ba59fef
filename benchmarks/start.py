"""From the command to the first sound, as a user waits for it: `verdigris live` by the clock, a process of its own.

Cold: neither compiled Python nor compiled kernels are there yet (numba's, and ours in C), as after an installation.
What the system keeps of files in memory stays.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import realtime.atomic  # noqa: F401 - what reads a timeline; loaded here before the clock runs
from benchmarks.report import Row
from realtime.sessions import sessions
from realtime.timeline import Field, Timeline

CODEC, PRECISIONS = "nano", ("float32", "bfloat16")
CACHES = ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "PYTHONPYCACHEPREFIX")
TIMEOUT_S, POLL_S = 120.0, 0.005


def measure() -> list[Row]:
    """Seconds until the first wet sample was handed to the driver; cold first, then with what that left behind."""
    rows = []
    writing = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }  # or none is warm
    for precision in PRECISIONS:
        with tempfile.TemporaryDirectory() as place:
            kept = {name: str(Path(place, name)) for name in CACHES}
            for state, aim in (("cold", "< 10"), ("warm", "< 3")):
                what = f"start to first sound, {CODEC}, {precision}, caches {state}"
                rows.append(Row(what, first_sound({**writing, **kept}, precision), "s", aim))
    return rows


def first_sound(environment: Mapping[str, str], precision: str) -> float:
    """Seconds from starting a process to the first sample that a codec has made."""
    command = [sys.executable, "-m", "realtime.cli", "live", "--driver", "clock", "--a", CODEC, "--b", "off"]
    command += ["--precision", precision, "--osc", "0"]
    started = time.monotonic()
    with subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL) as process:
        try:
            timeline = _timeline(process, started + TIMEOUT_S)
            try:
                while timeline.load(Field.PLAYED_END) <= timeline[Field.LATENCY]:
                    _wait(process, started + TIMEOUT_S)
                return time.monotonic() - started
            finally:
                timeline.close()
        finally:
            process.terminate()


def _timeline(process: subprocess.Popen[bytes], deadline: float) -> Timeline:
    while True:
        for session in sessions():
            if session.pid == process.pid and session.timeline:
                return Timeline.attach(Path(session.timeline))
        _wait(process, deadline)


def _wait(process: subprocess.Popen[bytes], deadline: float) -> None:
    if process.poll() is not None or time.monotonic() > deadline:
        raise OSError(f"verdigris live did not begin to play within {TIMEOUT_S:.0f} s. Try it by hand.")
    time.sleep(POLL_S)
