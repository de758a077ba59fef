"""The last seconds of what was heard, by path, in the window's own memory: pictures are made anew from it at will."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Mono = npt.NDArray[np.float32]
PATHS = ("dry", "a", "b")


class History:
    """Mono sums of dry, A and B, by input sample. `end` is the first sample that is not there yet."""

    def __init__(self, rate: int, seconds: float) -> None:
        self.rate = rate
        self.capacity = 1 << (int(rate * seconds) - 1).bit_length()
        self._rings = {name: np.zeros(self.capacity, np.float32) for name in PATHS}
        self.end = 0

    def reset(self, end: int = 0) -> None:
        """Silence before sample `end`."""
        for ring in self._rings.values():
            ring[:] = 0.0
        self.end = end

    def append(self, start: int, blocks: dict[str, npt.NDArray[np.float32]]) -> None:
        """Blocks [C, T] of each path from sample `start` on; what lies between `end` and it stays silent."""
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

    def read(self, path: str, start: int, count: int) -> Mono:
        """Samples [start, start + count) of dry, a, b, or of delta: dry less A. Ask for none that is gone."""
        if path == "delta":
            return self.read("dry", start, count) - self.read("a", start, count)
        ring, place = self._rings[path], start & (self.capacity - 1)
        if place + count <= self.capacity:
            return ring[place : place + count]
        return np.concatenate([ring[place:], ring[: place + count - self.capacity]])
