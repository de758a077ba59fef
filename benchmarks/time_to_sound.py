"""Time from the command to the first sound, and memory: `verdigris live` by the clock, in a process
of its own.

Cold: compiled Python and compiled kernels (numba's, and ours in C) do not exist yet, as after an
installation. The system's file cache is not emptied.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import realtime.system.atomics  # noqa: F401 - what reads a timeline; loaded here before the clock runs
from benchmarks.report import Row
from realtime.timeline.layout import Field, Timeline
from realtime.timeline.session_file import sessions

CODEC, PRECISIONS = "nano", ("float32", "bfloat16")
CACHES = ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "PYTHONPYCACHEPREFIX")
TIMEOUT_S, POLL_S = 120.0, 0.005
SETTLED_READS = 8  # a second apart, in which the window's memory stays the same
VERDIGRIS = (sys.executable, "-m", "realtime.cli.main")

_TORCH = """
import numpy
def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS")) / 1024
before = resident()
import torch
print(resident() - before)
"""


def measure() -> list[Row]:
    """Return the seconds until the driver gets the first wet sample.

    With cold caches, and then with warm ones.
    """
    rows = []
    # Python must write its caches, or there are no warm ones.
    writing = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for precision in PRECISIONS:
        with tempfile.TemporaryDirectory() as place:
            kept = {name: str(Path(place, name)) for name in CACHES}
            for state, aim in (("cold", "< 10"), ("warm", "< 1.5")):
                what = f"start to first sound, {CODEC}, {precision}, caches {state}"
                rows.append(Row(what, first_sound({**writing, **kept}, precision), "s", aim))
    return rows + memory()


def memory() -> list[Row]:
    """Return the resident memory of a session with its window, in MB, and how much of it torch takes.

    Pages that processes share are divided among them (PSS). Linux only; elsewhere empty.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        return []
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    parts: dict[str, float] = {}
    with _playing(environment, "float32") as (engine, _):
        with subprocess.Popen(
            [*VERDIGRIS, "gui"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as window:
            try:
                seen = [0.0]
                while len(seen) < SETTLED_READS or max(seen[-SETTLED_READS:]) > 1.01 * min(seen[-SETTLED_READS:]):
                    time.sleep(1.0)
                    _wait(engine, time.perf_counter() + TIMEOUT_S)
                    seen.append(_resident_mb(window.pid))
                for name, process in (("engine", engine), ("window", window)):
                    parts[name] = _resident_mb(process.pid)
                parts["worker"] = sum(_resident_mb(pid) for pid in _children(engine.pid))
            finally:
                window.terminate()
    torch_mb = float(subprocess.run([sys.executable, "-c", _TORCH], check=True, capture_output=True, text=True).stdout)
    whole = Row(f"resident memory, engine + worker + window, {CODEC}", sum(parts.values()), "MB", "< 600")
    return [
        whole,
        *(Row(f"resident memory, {name}", megabytes, "MB") for name, megabytes in parts.items()),
        Row("resident memory that importing torch adds to a process", torch_mb, "MB"),
    ]


def first_sound(environment: Mapping[str, str], precision: str) -> float:
    """Return the seconds from the start of a process to the first sample made by a codec.

    OSError if it does not play within two minutes.
    """
    started = time.perf_counter()
    with _playing(environment, precision):
        return time.perf_counter() - started


@contextmanager
def _playing(environment: Mapping[str, str], precision: str) -> Iterator[tuple[subprocess.Popen[bytes], Timeline]]:
    """Start a session and yield its process and timeline once the first sample is heard."""
    command = [*VERDIGRIS, "live", "--driver", "clock", "--a", CODEC, "--b", "off"]
    command += ["--precision", precision, "--osc", "0"]
    deadline = time.perf_counter() + TIMEOUT_S
    with subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL) as process:
        try:
            timeline = _timeline(process, deadline)
            try:
                while timeline.load(Field.PLAYED_END) <= timeline[Field.LATENCY]:
                    _wait(process, deadline)
                yield process, timeline
            finally:
                timeline.close()
        finally:
            process.terminate()


def _children(pid: int) -> list[int]:
    """Return the descendants of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *_children(child)]
    return found


def _resident_mb(pid: int) -> float:
    """Return the resident memory of a process, with its part of shared pages."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _timeline(process: subprocess.Popen[bytes], deadline: float) -> Timeline:
    while True:
        for session in sessions():
            if session.pid == process.pid and session.timeline:
                return Timeline.attach(Path(session.timeline))
        _wait(process, deadline)


def _wait(process: subprocess.Popen[bytes], deadline: float) -> None:
    if process.poll() is not None or time.perf_counter() > deadline:
        raise OSError(f"verdigris live did not start to play within {TIMEOUT_S:.0f} s. Try it by hand.")
    time.sleep(POLL_S)
