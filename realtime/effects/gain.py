"""Built-in effect: a gain, such as to drive a codec harder and compensate after it."""

from __future__ import annotations

import numpy as np

from models.codec import Audio
from realtime.effects.effect import BLOCK, Control


class Gain:
    """Gain in dB, exact at 0 dB. A change is a linear ramp over the next 64 samples."""

    latency = 0
    controls: tuple[Control, ...] = (Control("db", float, 0.0, -60.0, 24.0, "gain in dB"),)

    def __init__(self) -> None:
        self._target = self._current = 1.0

    def process(self, block: Audio) -> Audio:
        out = block * np.float32(self._target)
        if self._current != self._target:
            ramp = np.linspace(self._current, self._target, BLOCK).astype(np.float32)
            out[:, :BLOCK] = block[:, :BLOCK] * ramp
            self._current = self._target
        return out

    def set(self, name: str, value: float) -> None:
        self._target = 10.0 ** (value / 20.0)

    def reset(self) -> None:
        self._current = self._target

    def remarks(self) -> list[str]:
        return []

    def close(self) -> None:
        pass


def open_gain(where: str, rate: int, channels: int) -> Gain:
    """Return a gain; it depends neither on rate nor channels."""
    return Gain()
