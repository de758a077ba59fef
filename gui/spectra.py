"""From sound to picture: energy by time and frequency at a fixed range of dB, only the columns that are new."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from gui.axes import Rows, TimeAxis
from gui.history import History, Mono

FLOOR_DB, CEILING_DB = -86.0, -12.0  # of a row's mean power; a full-scale sine is 0 dB
WINDOW_S = 0.043
BATCH = 64  # columns at a time, so that a whole picture needs little memory


def window_size(rate: int) -> int:
    """Samples of a Fourier transform: a power of two near 43 ms."""
    return 1 << round(np.log2(WINDOW_S * rate))


class Analysis:
    """Windows of sound to rows of a picture. One rate, one height."""

    def __init__(self, rate: int, rows: int) -> None:
        self.size = window_size(rate)
        self._window = np.hanning(self.size + 1)[:-1].astype(np.float32)
        self._window *= 2.0 / self._window.sum()  # a full-scale sine has magnitude 1
        self._rows = Rows(rows, self.size, rate)

    def magnitudes(self, windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """[n, size] to [n, bins]."""
        return np.abs(np.fft.rfft(windows * self._window))

    def pixels(self, windows: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """[n, size] to [rows, n], places in a colour map."""
        power = self._rows(np.square(self.magnitudes(windows)))
        db = 10.0 * np.log10(power + 1e-12)
        shade = (db - FLOOR_DB) * (255.0 / (CEILING_DB - FLOOR_DB))
        return np.clip(shade, 0.0, 255.0).astype(np.uint8).T


def last_column(axis: TimeAxis, size: int, end: int) -> int:
    """The first column whose window, which lies around its middle, is not whole yet when samples end at `end`."""
    return max(0, (end - size // 2 - axis.step // 2) // axis.step + 1)


def columns(
    history: History, path: str, axis: TimeAxis, analysis: Analysis, first: int, stop: int
) -> npt.NDArray[np.uint8]:
    """Pixels [rows, stop - first] of columns [first, stop), each whole in `history`."""
    parts = []
    for at in range(first, stop, BATCH):
        count = min(BATCH, stop - at)
        start = at * axis.step + axis.step // 2 - analysis.size // 2
        sound: Mono = history.read(path, start, (count - 1) * axis.step + analysis.size)
        parts.append(analysis.pixels(sliding_window_view(sound, analysis.size)[:: axis.step]))
    return np.concatenate(parts, axis=1)
