"""Number of torch's threads while a lane plays, by what the machine has free at the moment.

Threads that share a frame wait for each other many times in it. If one of them has no core, all of
them wait, and two threads take longer than one. So a lane begins with the number that was fastest
when it was loaded. It falls back to one thread once its threads wait for cores, and returns when
cores have been idle for a while. Each return that fails doubles the time until the next one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from realtime.system.cpu_contention import Contention, ContentionMeter

INTERVAL_S = 0.5  # between two looks
MAX_WAIT_SHARE = 0.15  # of the time, from which one thread is better
IDLE_PER_THREAD = 0.9  # cores that must be idle for each further thread
HOLD_S, MAX_HOLD_S = 2.0, 120.0  # with one thread, until several are tried again


class Meter(Protocol):
    """Source of contention, as `ContentionMeter`."""

    def read(self) -> Contention | None: ...


class ThreadGovernor:
    """Chooses 1 or `threads` threads. Call `update` from the lane's thread after each frame."""

    def __init__(
        self, threads: int, meter: Meter | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.threads = threads
        self._most, self._clock = threads, clock
        self._meter: Meter | None = (meter or ContentionMeter()) if threads > 1 else None
        self._looked = clock()
        self._idle_since: float | None = None
        self._hold_s = HOLD_S

    def update(self) -> bool:
        """Look at the machine if it is time to; return True if `threads` has changed."""
        now = self._clock()
        if self._meter is None or now - self._looked < INTERVAL_S:
            return False
        self._looked = now
        found = self._meter.read()
        if found is None:
            return False
        before = self.threads
        if before > 1:
            if found.wait_share > MAX_WAIT_SHARE:
                self.threads, self._idle_since = 1, None
            else:
                self._hold_s = max(HOLD_S, self._hold_s - INTERVAL_S)  # it lasts: forgive an earlier failure
        elif found.idle_cores < IDLE_PER_THREAD * (self._most - 1):
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now - self._idle_since >= self._hold_s:
            self.threads = self._most
            self._hold_s = min(MAX_HOLD_S, 2 * self._hold_s)
        return self.threads != before
