"""Race of kernels: the fastest of several ways to compute the same, measured here and kept by CPU model.

A flag of the CPU does not tell which way is faster on it. A race takes a few milliseconds. Its
winner is kept in a file, so that results stay the same on a machine from run to run.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROUNDS = 7
# Processor time, which other programs hardly change, where its clock is fine enough.
CLOCK = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-5 else time.perf_counter
MARGIN = 1.15  # times as fast as the favourite, for another to win

Contenders = Mapping[str, Callable[[], object]]


def race(contenders: Contenders, rounds: int = ROUNDS, clock: Callable[[], float] = CLOCK) -> dict[str, float]:
    """Return the shortest time of each contender in seconds, run in turns after one run each.

    For contenders that compute in the calling thread. The shortest is the one least disturbed.
    """
    for run in contenders.values():
        run()
    taken = dict.fromkeys(contenders, math.inf)
    for _ in range(rounds):
        for name, run in contenders.items():
            started = clock()
            run()
            taken[name] = min(taken[name], clock() - started)
    return taken


def winner(taken: Mapping[str, float], favourite: str, margin: float = MARGIN) -> str:
    """Return the favourite, unless another is faster by a margin (a factor) that noise does not make."""
    best = min(taken, key=lambda name: taken[name])
    return best if taken[best] * margin < taken[favourite] else favourite


def kept_winner(file: Path, key: str, contenders: Contenders, favourite: str, margin: float = MARGIN) -> str:
    """Return the winner that `file` has for a key; without one, race and keep it there.

    A file that cannot be read or written costs the race only.
    """
    known: dict[str, str] = {}
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(file.read_text(encoding="utf-8"))
        known = (
            {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
        )
    if known.get(key) not in contenders:
        known[key] = winner(race(contenders), favourite, margin)
        working = file.with_name(f"{file.name}.{os.getpid()}.part")
        with contextlib.suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            working.write_text(json.dumps(known, indent=1), encoding="utf-8")
            working.replace(file)
    return known[key]


def cache_folder() -> Path:
    """Return the folder of our compiled kernels and of races. RuntimeError for a user without a home."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "verdigris"


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the CPU's model, family and stepping, as Linux names them; elsewhere what Python knows."""
    wanted = ("vendor_id", "model name", "cpu family", "model", "stepping")
    with contextlib.suppress(OSError):
        pairs = (line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").partition("\n\n")[0].splitlines())
        held = {name.strip(): value.strip() for name, _, value in pairs}
        if found := " ".join(held[name] for name in wanted if name in held):
            return found
    return platform.processor() or platform.machine()
