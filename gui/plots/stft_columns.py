"""Short-time Fourier transform of sound as columns of pixels, over a fixed range of dB."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from gui.plots.audio_history import AudioHistory, Mono
from gui.plots.axes import Rows, TimeAxis
from gui.plots.frequency_scale import MEL, FrequencyScale

FLOOR_DB, CEILING_DB = -86.0, -12.0  # of a row's mean power; a full-scale sine is 0 dB
WINDOW_S = 0.043
BATCH = 64  # columns computed together, to bound the memory


def window_size(rate: int) -> int:
    """Return the transform size in samples: the power of two nearest to 43 ms."""
    return 1 << round(math.log2(WINDOW_S * rate))


class StftAnalysis:
    """Transform of windows to pixel columns, for one sample rate and one height."""

    def __init__(self, rate: int, rows: int, scale: FrequencyScale = MEL) -> None:
        self.size = window_size(rate)
        self._window = np.hanning(self.size + 1)[:-1].astype(np.float32)
        self._window *= 2.0 / self._window.sum()  # a full-scale sine has magnitude 1
        self._rows = Rows(rows, self.size, rate, scale)

    def magnitudes(self, windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the magnitudes [n, bins] of windows [n, size]."""
        return np.abs(np.fft.rfft(windows * self._window))

    def pixels(self, windows: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """Return the pixels [rows, n] of windows [n, size], as indices of a colour map."""
        power = self._rows(np.square(self.magnitudes(windows)))
        scale = 255.0 / (CEILING_DB - FLOOR_DB)
        shade = np.log10(power + 1e-12) * (10.0 * scale) - FLOOR_DB * scale
        return np.minimum(np.maximum(shade, 0.0), 255.0).astype(np.uint8).T


def last_column(axis: TimeAxis, size: int, end: int) -> int:
    """Return the first column whose centred window needs samples from `end` on."""
    return max(0, (end - size // 2 - axis.step // 2) // axis.step + 1)


def columns(
    history: AudioHistory, path: str, axis: TimeAxis, analysis: StftAnalysis, first: int, stop: int
) -> npt.NDArray[np.uint8]:
    """Return the pixels [rows, stop - first] of columns [first, stop), all within `history`."""
    parts = []
    for at in range(first, stop, BATCH):
        count = min(BATCH, stop - at)
        start = at * axis.step + axis.step // 2 - analysis.size // 2
        sound: Mono = history.read(path, start, (count - 1) * axis.step + analysis.size)
        parts.append(analysis.pixels(sliding_window_view(sound, analysis.size)[:: axis.step]))
    return np.concatenate(parts, axis=1)
