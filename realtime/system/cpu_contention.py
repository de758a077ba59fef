"""Contention for the cores: how long this process waits for one, and how many are idle.

From Linux' /proc; elsewhere nothing is known, and nothing waits.
https://docs.kernel.org/scheduler/sched-stats.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from realtime.system.platform.machine import ticks_per_second

IDLE_FIELDS = slice(3, 5)  # idle and iowait, of the numbers in a line of /proc/stat


@dataclass(frozen=True)
class Contention:
    """Contention over a stretch of time.

    `wait_share` is the part of the time for which the threads of this process were ready to run and
    had no core, 0 to 1. `idle_cores` is the mean number of cores without work.
    """

    wait_share: float
    idle_cores: float


class ContentionMeter:
    """Contention between two calls of `read`. Any thread, one at a time; takes some 0.2 ms."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._before = self._counters()

    def read(self) -> Contention | None:
        """Return the contention since the last call; None if the system does not tell, or no time passed."""
        before, now = self._before, self._counters()
        self._before = now
        if before is None or now is None:
            return None
        run, wait, idle, clock = (b - a for a, b in zip(before, now, strict=True))
        if clock <= 0:
            return None
        return Contention(max(0.0, wait) / max(run + wait, 1e-9), idle / clock)

    def _counters(self) -> tuple[float, float, float, float] | None:
        """Return seconds that all threads ran and waited, idle seconds of all cores, and the time."""
        run = wait = 0
        try:
            for task in (self._proc / "self" / "task").iterdir():
                try:
                    on_core, waiting, *_ = map(int, (task / "schedstat").read_text().split())
                except (FileNotFoundError, ProcessLookupError):  # the thread has ended
                    continue
                run, wait = run + on_core, wait + waiting
            first = (self._proc / "stat").read_text().partition("\n")[0].split()[1:]
            idle = sum(map(int, first[IDLE_FIELDS])) / ticks_per_second()
        except (OSError, ValueError, AttributeError):
            return None
        return run / 1e9, wait / 1e9, idle, time.perf_counter()
