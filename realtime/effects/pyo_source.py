"""Pyo patch as the input of a stream, without end. Its output is also the dry signal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.codec import Audio
from realtime.effects.effect import BLOCK
from realtime.effects.factory import open_rack

PREFIX = "pyo:"
CHUNK = 16 * BLOCK  # samples processed at once
RATE = 48_000


def is_patch(given: Path | None) -> bool:
    """Return True if an input names a patch, as pyo:FILE."""
    return given is not None and str(given).startswith(PREFIX)


class PatchSource:
    """Source of [2, n] blocks. A patch that fails is silent from then on, and `remarks` reports it.
    One thread.
    """

    length = None

    def __init__(self, spec: str, rate: int | None = None, *, timeout_s: float) -> None:
        """Open the patch. EffectError if it cannot be run."""
        self.path, self.rate = Path(spec), rate or RATE
        self.rack = open_rack([spec], self.rate, 2, timeout_s)
        self._ready = np.zeros((2, 0), np.float32)

    def read(self, count: int) -> Audio:
        """Return the next [2, count] samples."""
        while self._ready.shape[1] < count:
            silence = np.zeros((2, CHUNK), np.float32)
            self._ready = np.concatenate([self._ready, self.rack.process(silence)], axis=1)
        out, self._ready = self._ready[:, :count], self._ready[:, count:]
        return out

    def blocks(self, count: int) -> Iterator[Audio]:
        """Yield blocks of [2, count] without end."""
        while True:
            yield self.read(count)

    def remarks(self) -> list[str]:
        """Return messages for the user, each once."""
        return [remark for remark, _ in self.rack.remarks()]

    def close(self) -> None:
        """End the patch's process."""
        self.rack.close()
