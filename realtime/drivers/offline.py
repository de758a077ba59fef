"""File driver: plays a source as fast as the worker computes it, without dropouts."""

from __future__ import annotations

import time
from collections.abc import Callable

from realtime.drivers.driver import DriverOptions, StreamSetup
from realtime.drivers.source_switch import Source
from realtime.drivers.threaded import OpenThreadedDriver, ThreadedDriver
from realtime.timeline.layout import FADE, SLOTS, WET_END, Field
from realtime.timeline.playout import Playout

TIMEOUT_S = 60.0


def open_driver(options: DriverOptions) -> OpenThreadedDriver:
    """Return the file driver, which takes any rate and block."""
    return OpenThreadedDriver(_attach)


def _attach(setup: StreamSetup) -> FileDriver:
    if setup.source is None:
        raise ValueError("the file driver needs a source")
    return FileDriver(setup.playout, setup.source, setup.block, limit=setup.limit, after_block=setup.after_block)


class FileDriver(ThreadedDriver):
    """Stream that plays a block only when its wet samples and the following fade are computed."""

    def __init__(
        self,
        playout: Playout,
        source: Source,
        block: int | str,
        *,
        limit: int | None = None,
        after_block: Callable[[int], object] = lambda samples_in: None,
    ) -> None:
        """`after_block` gets the input samples so far, in the driver's thread."""
        super().__init__(playout, source, block, limit=limit)
        self._after_block = after_block

    def _pace(self, count: int) -> None:
        if failure := self.source_failure():  # nobody listens: an error is better than silence in the file
            raise failure
        timeline = self.playout.timeline
        self._after_block(self.samples_in)
        needed = self.playout.position + count - timeline[Field.LATENCY] + FADE
        used = [end for slot, end in enumerate(WET_END[: len(SLOTS)]) if timeline[Field.SLOTS] >> slot & 1]
        deadline = time.perf_counter() + TIMEOUT_S
        while not self._stopping.is_set() and any(timeline.load(end) < needed for end in used):
            if time.perf_counter() > deadline:
                raise TimeoutError(f"the worker has computed nothing for {TIMEOUT_S:.0f} s. Run verdigris doctor.")
            time.sleep(0.00005)
