"""The input of a stream, which another source can take the place of while it plays, cross-faded.

A control thread chooses, the driver's thread reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from realtime.timeline import FADE

Audio = npt.NDArray[np.float32]


class Source(Protocol):
    """Where input comes from."""

    def read(self, count: int) -> Audio:
        """The next [C, count]; fewer at the end, none after it."""
        ...


class Switch:
    """A source itself."""

    def __init__(self, source: Source) -> None:
        self._own = self._wanted = self._now = source
        self._old: Source | None = None  # while it fades out
        self._faded = 0  # samples
        self._done: list[Source] = []  # for `choose` to close

    def choose(self, source: Source | None) -> None:
        """From the next block on; None: the one it was made with. Those that were chosen before are closed here."""
        while self._done:
            close: Callable[[], None] | None = getattr(self._done.pop(), "close", None)
            if close:
                close()
        self._wanted = source or self._own

    def read(self, count: int) -> Audio:
        """As of Source, from what was chosen."""
        if self._old is None and self._wanted is not self._now:
            self._old, self._now, self._faded = self._now, self._wanted, 0
        audio = self._now.read(count)
        if self._old is None:
            return audio
        n = min(count, FADE - self._faded)
        before, after = np.zeros((2, 2, n), np.float32)
        for source, room in ((self._old.read(n), before), (audio[:, :n], after)):
            room[:, : source.shape[1]] = source
        part = np.arange(self._faded + 1, self._faded + n + 1, dtype=np.float32) / np.float32(FADE)
        self._faded += n
        if self._faded == FADE:
            if self._old is not self._own:
                self._done.append(self._old)
            self._old = None
        return np.concatenate([before + part * (after - before), audio[:, n:]], axis=1)
