"""Clock driver: plays a source in real time without hardware.

Like a sound card, it loses time when the system delays it for longer than its buffers would last.
Such a delay counts as an xrun, and the schedule restarts from there instead of catching up.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from realtime.drivers.driver import DriverOptions, StreamSetup
from realtime.drivers.source_switch import Audio, Source
from realtime.drivers.threaded import OpenThreadedDriver, ThreadedDriver
from realtime.files.file_opener import FileOpener
from realtime.timeline.layout import Field
from realtime.timeline.playout import Playout

MAX_LATE_S = 0.02


def open_driver(options: DriverOptions) -> OpenThreadedDriver:
    """Return the clock driver, which takes any rate and block."""
    return OpenThreadedDriver(_attach)


def _attach(setup: StreamSetup) -> ClockDriver:
    source = Silence() if setup.source is None else setup.source
    return ClockDriver(setup.playout, source, setup.block, limit=setup.limit)


class ClockDriver(ThreadedDriver):
    """Stream paced at the timeline's rate by the system's monotonic clock."""

    def __init__(self, playout: Playout, source: Source, block: int | str, *, limit: int | None = None) -> None:
        super().__init__(playout, source, block, limit=limit)
        self._rate = playout.timeline[Field.RATE]
        self._opener = FileOpener(self._on_opened)
        self._due = 0.0  # monotonic time of the next block; 0 before the first

    def feed(self, path: Path | None, start: int = 0, *, loop: bool = True) -> None:
        """Play this file in place of the source once a thread has opened it; None returns to the source."""
        self._opener.cancel()  # before `_fed` changes, for the opener's thread sets it too
        self._fed = None
        if path is None:
            self._source.choose(None)
        else:
            self._opener.open(path, self._rate, start, loop=loop)

    def _on_opened(self, opened: Source | Exception) -> None:
        if isinstance(opened, Exception):
            self._source.note_failure(opened)
        else:
            self._fed = opened
            self._source.choose(opened)

    def _pace(self, count: int) -> None:
        now = time.perf_counter()
        if self._due == 0.0:
            self._due = now
        self._due += count / self._rate  # a block is handed over when its last sample has arrived
        if now - self._due > MAX_LATE_S:
            self.playout.count_xrun()
            self._due = now
        else:
            self._stopping.wait(max(0.0, self._due - now))


class Silence:
    """Endless source of silence."""

    def read(self, count: int) -> Audio:
        """Return zeros, [2, count]."""
        return np.zeros((2, count), np.float32)
