"""Audio of the last seconds by path, in the window's memory, from which plots can be redrawn at any
time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Mono = npt.NDArray[np.float32]
PATHS = ("dry", "a", "b")
DIFFERENCES = {"delta": ("dry", "a"), "ghost": ("a", "b")}


class AudioHistory:
    """Mono mix of dry, A and B by input sample.

    `end` is the first sample that is not yet available.
    """

    def __init__(self, rate: int, seconds: float) -> None:
        self.rate = rate
        self.capacity = 1 << (int(rate * seconds) - 1).bit_length()
        self._rings = {name: np.zeros(self.capacity, np.float32) for name in PATHS}
        self.end = 0
        self._begin = 0  # first sample since the last gap

    def reset(self, end: int = 0) -> None:
        """Forget all sound; `end` is the next sample."""
        for ring in self._rings.values():
            ring[:] = 0.0
        self.end = self._begin = end

    def append(self, start: int, blocks: dict[str, npt.NDArray[np.float32]]) -> None:
        """Append blocks [C, T] of each path from sample `start`; a gap after `end` forgets the
        sound before it.
        """
        count = next(iter(blocks.values())).shape[1]
        if start != self.end:
            self.reset(start)
        for name, block in blocks.items():
            mono, first = block.mean(0, dtype=np.float32)[-self.capacity :], start + max(0, count - self.capacity)
            place = first & (self.capacity - 1)
            head = min(len(mono), self.capacity - place)
            self._rings[name][place : place + head] = mono[:head]
            self._rings[name][: len(mono) - head] = mono[head:]
        self.end = start + count

    @property
    def length(self) -> int:
        """Samples without a gap."""
        return min(self.end - self._begin, self.capacity)

    def newest(self, path: str, seconds: float) -> Mono:
        """Return the newest sound of a path; `seconds` must be in the history."""
        count = round(seconds * self.rate)
        return self.read(path, self.end - count, count)

    def read(self, path: str, start: int, count: int) -> Mono:
        """Return samples [start, start + count) of dry, a, b, delta (dry − A) or ghost (A − B); all
        must be in the history.
        """
        if path in DIFFERENCES:
            whole, part = DIFFERENCES[path]
            return self.read(whole, start, count) - self.read(part, start, count)
        ring, place = self._rings[path], start & (self.capacity - 1)
        if place + count <= self.capacity:
            return ring[place : place + count]
        return np.concatenate([ring[place:], ring[: place + count - self.capacity]])
