"""The loop capture: the last seconds of dry and wet, aligned, for ABX and for looking at what happened."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from realtime.tail import Tail
from realtime.timeline import SLOTS, Field, Timeline


class Capture:
    """Keeps the last `seconds`; call `poll` some 10 times a second, from one thread."""

    def __init__(self, timeline: Timeline, seconds: float, names: Sequence[str] = ("dry", *SLOTS)) -> None:
        """Of slots that are not in use nothing is kept."""
        self._size = int(seconds * timeline[Field.RATE])
        unused = {name for slot, name in enumerate(SLOTS) if not timeline[Field.SLOTS] >> slot & 1}
        names = [name for name in names if name not in unused]
        self._tails = {name: Tail(timeline, name) for name in names}
        self._kept = {name: np.zeros((timeline[Field.CHANNELS], self._size), np.float32) for name in names}
        for kept in self._kept.values():
            kept.fill(0.0)  # takes the memory now: what is taken as it plays looks like a leak

    def poll(self) -> None:
        """Take in what is new."""
        for name, tail in self._tails.items():
            new, kept = tail.read(), self._kept[name]
            for start in range(0, new.shape[1], self._size):
                piece = new[:, start : start + self._size]
                # sample k lies in slot k mod size, as in the timeline
                slots = np.arange(
                    tail.position - new.shape[1] + start, tail.position - new.shape[1] + start + piece.shape[1]
                )
                kept[:, slots % self._size] = piece

    def loop(self) -> dict[str, npt.NDArray[np.float32]]:
        """The latest samples that all of dry and the slots have: [C, n] each, sample by sample of the same input."""
        end = self.end
        newest = max(tail.position for tail in self._tails.values())
        start = max(0, newest - self._size)  # what lies before has been written over where a tail is ahead
        slots = np.arange(start, max(start, end)) % self._size
        return {name: kept[:, slots] for name, kept in self._kept.items()}

    @property
    def end(self) -> int:
        """The input sample before which the loop ends."""
        return min(tail.position for tail in self._tails.values())
