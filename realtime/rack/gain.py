"""The built-in effect: a gain. Drive a codec with one before it, and take it back with one after it."""

from __future__ import annotations

import numpy as np

from models.codec import Audio
from realtime.rack.effect import BLOCK, Control


class Gain:
    """Exact at 0 dB; a change is a ramp over the next 64 samples."""

    latency = 0
    controls: tuple[Control, ...] = (Control("db", float, 0.0, -60.0, 24.0, "gain in dB"),)

    def __init__(self) -> None:
        self._wanted = self._now = 1.0

    def process(self, block: Audio) -> Audio:
        out = block * np.float32(self._wanted)
        if self._now != self._wanted:
            ramp = np.linspace(self._now, self._wanted, BLOCK).astype(np.float32)
            out[:, :BLOCK] = block[:, :BLOCK] * ramp
            self._now = self._wanted
        return out

    def set(self, name: str, value: float) -> None:
        self._wanted = 10.0 ** (value / 20.0)

    def reset(self) -> None:
        self._now = self._wanted

    def remarks(self) -> list[str]:
        return []

    def close(self) -> None:
        pass
