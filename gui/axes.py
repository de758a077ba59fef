"""The axes that pictures share: one of time, in columns of input samples, and one of frequency, by ear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SECONDS = 12.0  # that a picture shows
TICKS_HZ = (0, 1_000, 4_000, 10_000, 20_000)
TOP_HZ = 20_000.0


@dataclass(frozen=True)
class TimeAxis:
    """Column c stands for the input samples [c * step, (c + 1) * step)."""

    rate: int  # Hz
    columns: int  # that are seen

    @property
    def step(self) -> int:
        """Samples in a column."""
        return max(1, round(SECONDS * self.rate / self.columns))

    def column(self, sample: int) -> int:
        return sample // self.step

    def x(self, sample: float, end: int) -> float:
        """Where a sample lies, in columns from the left edge, when `end` is the first column beyond the right edge."""
        return sample / self.step - (end - self.columns)

    def ticks(self) -> list[tuple[float, str]]:
        """Whole seconds before now: columns from the left edge, and their label."""
        per_second = self.rate / self.step
        last = int(self.columns / per_second - 0.25)
        return [(self.columns - s * per_second, f"-{s}" if s else "now") for s in range(last, -1, -1)]


def mel(hertz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """O'Shaughnessy's scale: even steps of it sound about even."""
    return 2595.0 * np.log10(1.0 + np.asarray(hertz, float) / 700.0)


def hertz(mels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Inverse of `mel`."""
    return 700.0 * (10.0 ** (np.asarray(mels, float) / 2595.0) - 1.0)


def place(frequency: npt.ArrayLike, top: float = TOP_HZ) -> npt.NDArray[np.float64]:
    """Of a frequency on the axis: 0 at its low end, 1 at its high end."""
    return mel(frequency) / mel(top)


class Rows:
    """Sums the bins of a Fourier transform into rows of even steps of the axis, each at least two bins wide."""

    def __init__(self, rows: int, size: int, rate: int, top: float = TOP_HZ) -> None:
        """Row 0 is at the high end; `size` samples were transformed."""
        edges = hertz(np.linspace(mel(top), 0.0, rows + 1)) * size / rate + 0.5  # bin b is from b to b + 1
        middle, half = (edges[:-1] + edges[1:]) / 2, np.maximum((edges[:-1] - edges[1:]) / 2, 1.0)
        self._low, self._high = (np.clip(edge, 0, size // 2 + 1) for edge in (middle - half, middle + half))
        self._width = np.maximum(self._high - self._low, 1e-9)

    def __call__(self, power: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Mean power [n, rows] from power [n, bins]; by running sums, as edges lie within bins."""
        sums = np.zeros((len(power), power.shape[1] + 2))
        np.cumsum(power, axis=1, out=sums[:, 1:-1])
        sums[:, -1] = sums[:, -2]
        return np.maximum(self._at(sums, self._high) - self._at(sums, self._low), 0.0) / self._width

    @staticmethod
    def _at(sums: npt.NDArray[np.float64], edge: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        whole = edge.astype(int)
        below = sums[:, whole]
        return below + (sums[:, whole + 1] - below) * (edge - whole)
