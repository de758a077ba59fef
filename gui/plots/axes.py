"""Axes shared by the plots: time in columns of input samples, and frequency in rows of a scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gui.plots.frequency_scale import MEL, FrequencyScale

SECONDS = 12.0  # shown by a plot


@dataclass(frozen=True)
class TimeAxis:
    """Time axis; column c covers the input samples [c * step, (c + 1) * step)."""

    rate: int  # Hz
    columns: int  # visible

    @property
    def step(self) -> int:
        """Samples per column."""
        return max(1, round(SECONDS * self.rate / self.columns))

    def column(self, sample: int) -> int:
        return sample // self.step

    def x(self, sample: float, end: int) -> float:
        """Return the position of a sample in columns from the left edge; `end` is the first column
        past the right.
        """
        return sample / self.step - (end - self.columns)

    def ticks(self) -> list[tuple[float, str]]:
        """Return position and label of each whole second: columns from the left edge, and text."""
        per_second = self.rate / self.step
        last = int(self.columns / per_second - 0.25)
        return [(self.columns - s * per_second, f"-{s}" if s else "now") for s in range(last, -1, -1)]


class Rows:
    """Averages the bins of a Fourier transform over rows that are even on the axis, each at least
    two bins wide.
    """

    def __init__(self, rows: int, size: int, rate: int, scale: FrequencyScale = MEL) -> None:
        """Prepare `rows` rows, row 0 at the high end, for transforms of `size` samples."""
        edges = scale.frequency(np.linspace(1.0, 0.0, rows + 1)) * size / rate + 0.5  # bin b is from b to b + 1
        middle, half = (edges[:-1] + edges[1:]) / 2, np.maximum((edges[:-1] - edges[1:]) / 2, 1.0)
        low, high = (np.clip(edge, 0, size // 2 + 1) for edge in (middle - half, middle + half))
        self._width = np.maximum(high - low, 1e-9)
        both = np.concatenate([high, low])
        self._whole = both.astype(np.intp)
        self._part = both - self._whole

    def __call__(self, power: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the mean power [n, rows] of power [n, bins], by cumulative sums interpolated
        within bins.
        """
        sums = np.zeros((len(power), power.shape[1] + 2))
        np.cumsum(power, axis=1, out=sums[:, 1:-1])
        sums[:, -1] = sums[:, -2]
        below = sums[:, self._whole]
        found = below + (sums[:, self._whole + 1] - below) * self._part
        rows = len(self._width)
        mean: npt.NDArray[np.float64] = np.maximum(found[:, :rows] - found[:, rows:], 0.0) / self._width
        return mean
