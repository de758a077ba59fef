"""Loop buffer: the last seconds of dry and wet, aligned, for loops and ABX."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from realtime.timeline.layout import SLOTS, Field, Timeline
from realtime.timeline.ring_reader import RingReader


class LoopBuffer:
    """Buffer of the last `seconds`. Call `poll` about 10 times a second, from one thread."""

    def __init__(self, timeline: Timeline, seconds: float, names: Sequence[str] = ("dry", *SLOTS)) -> None:
        """`names` are rings of the timeline; those of unused slots are left out."""
        self._size = int(seconds * timeline[Field.RATE])
        unused = {name for slot, name in enumerate(SLOTS) if not timeline[Field.SLOTS] >> slot & 1}
        names = [name for name in names if name not in unused]
        self._tails = {name: RingReader(timeline, name) for name in names}
        self._kept = {name: np.zeros((timeline[Field.CHANNELS], self._size), np.float32) for name in names}
        for kept in self._kept.values():
            kept.fill(0.0)  # touch the pages now: memory that grows while it plays looks like a leak

    def poll(self) -> None:
        """Copy new samples from the timeline."""
        for name, tail in self._tails.items():
            new, kept = tail.read(), self._kept[name]
            for start in range(0, new.shape[1], self._size):
                piece = new[:, start : start + self._size]
                # sample k is kept at k mod size, as in the timeline
                slots = np.arange(
                    tail.position - new.shape[1] + start, tail.position - new.shape[1] + start + piece.shape[1]
                )
                kept[:, slots % self._size] = piece

    def loop(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the latest samples that all rings have, by name, [C, n] each, aligned to the same
        input samples.
        """
        end = self.end
        newest = max(tail.position for tail in self._tails.values())
        start = max(0, newest - self._size)  # older samples are overwritten in the ring that is furthest ahead
        slots = np.arange(start, max(start, end)) % self._size
        return {name: kept[:, slots] for name, kept in self._kept.items()}

    @property
    def end(self) -> int:
        """Input sample after the last one of `loop`."""
        return min(tail.position for tail in self._tails.values())
