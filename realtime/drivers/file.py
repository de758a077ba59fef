"""The file driver: as fast as the worker can, exact. It waits until what it is about to play has been computed."""

from __future__ import annotations

import time
from collections.abc import Callable

from realtime.callback import HostSide
from realtime.drivers.loop import LoopDriver
from realtime.drivers.switch import Source
from realtime.timeline import FADE, SLOTS, WET_END, Field

TIMEOUT_S = 60.0


class FileDriver(LoopDriver):
    """Never misses: a block is played once its wet is there, and the samples that begin a fade after it."""

    def __init__(
        self,
        host: HostSide,
        source: Source,
        block: int | str,
        *,
        limit: int | None = None,
        after_block: Callable[[int], object] = lambda taken: None,
    ) -> None:
        """`after_block` gets the input samples so far, in the driver's thread, before the ring can wrap."""
        super().__init__(host, source, block, limit=limit)
        self._after_block = after_block

    def _pace(self, count: int) -> None:
        timeline = self.host.timeline
        self._after_block(self.taken)
        needed = self.host.position + count - timeline[Field.LATENCY] + FADE
        used = [end for slot, end in enumerate(WET_END[: len(SLOTS)]) if timeline[Field.SLOTS] >> slot & 1]
        deadline = time.monotonic() + TIMEOUT_S
        while not self._stopping.is_set() and any(timeline.load(end) < needed for end in used):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the worker gave nothing for {TIMEOUT_S:.0f} s. Run verdigris doctor.")
            time.sleep(0.00005)
