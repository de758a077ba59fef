"""The clock driver: a source paced in real time, without hardware. What a machine without a sound card runs.

Like a sound card, it loses time when the system holds it up for longer than its buffers: that is counted as an xrun and
the clock begins anew, instead of rushing through the blocks it owes.
"""

from __future__ import annotations

import time

import numpy as np

from realtime.callback import HostSide
from realtime.drivers.loop import LoopDriver
from realtime.drivers.switch import Source
from realtime.timeline import Field

SLIP_S = 0.02


class ClockDriver(LoopDriver):
    """Plays at the timeline's rate by the system's monotonic clock."""

    def __init__(self, host: HostSide, source: Source, block: int | str, *, limit: int | None = None) -> None:
        super().__init__(host, source, block, limit=limit)
        self._rate = host.timeline[Field.RATE]
        self._due = 0.0  # monotonic time of the next block; 0 before the first

    def _pace(self, count: int) -> None:
        now = time.monotonic()
        if self._due == 0.0:
            self._due = now
        self._due += count / self._rate  # a block is handed over when its last sample has come in
        if now - self._due > SLIP_S:
            self.host.count_xrun()
            self._due = now
        else:
            self._stopping.wait(max(0.0, self._due - now))


class Silence:
    """A source without end that plays nothing."""

    def read(self, count: int) -> np.ndarray:
        return np.zeros((2, count), np.float32)
