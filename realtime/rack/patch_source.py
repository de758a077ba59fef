"""A pyo patch as input: what it plays goes into the codecs, and is dry. Without end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.codec import Audio
from realtime.rack.effect import BLOCK
from realtime.rack.opening import open_rack

PREFIX = "pyo:"
AHEAD = 16 * BLOCK  # samples, run at once
RATE = 48_000


def is_patch(given: Path | None) -> bool:
    """Whether --input names a patch."""
    return given is not None and str(given).startswith(PREFIX)


class PatchSource:
    """[2, n] as it is read; silence once the patch has failed, which `remarks` says. To be closed. One thread."""

    length = None

    def __init__(self, spec: str, rate: int | None = None, *, patience_s: float) -> None:
        """EffectError if it cannot be had."""
        self.path, self.rate = Path(spec), rate or RATE
        self._rack = open_rack([spec], self.rate, 2, patience_s)
        self._ready = np.zeros((2, 0), np.float32)

    def read(self, count: int) -> Audio:
        """The next [2, count]."""
        while self._ready.shape[1] < count:
            silence = np.zeros((2, AHEAD), np.float32)
            self._ready = np.concatenate([self._ready, self._rack.process(silence)], axis=1)
        out, self._ready = self._ready[:, :count], self._ready[:, count:]
        return out

    def blocks(self, count: int) -> Iterator[Audio]:
        """Over and over."""
        while True:
            yield self.read(count)

    def remarks(self) -> list[str]:
        """What went wrong, once."""
        return [remark for remark, _ in self._rack.remarks()]

    def close(self) -> None:
        self._rack.close()
