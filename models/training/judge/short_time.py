"""Short-time spectra of whole signals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

RATE = 48000  # Hz, of every signal that is judged

Signal = npt.NDArray[np.float64]  # [samples]
Stereo = npt.NDArray[np.float64]  # [2, samples]


def spectra(signal: Signal, size: int, hop: int) -> npt.NDArray[np.complex128]:
    """Return Hann-windowed spectra [frames, size // 2 + 1] of all whole frames of the signal."""
    if len(signal) < size:
        return np.zeros((0, size // 2 + 1), np.complex128)
    frames = np.lib.stride_tricks.sliding_window_view(signal, size)[::hop]
    return np.fft.rfft(frames * np.hanning(size))


def decibels(power: npt.NDArray[Any], floor: float) -> npt.NDArray[np.float64]:
    """Return 10 log10 of the power plus a floor that keeps silence finite."""
    return 10 * np.log10(power + floor)


def band_edges(first: int, last: int, count: int) -> npt.NDArray[np.int64]:
    """Return bin numbers from `first` to `last` in about `count` equal ratios, without repetitions."""
    return np.unique(np.geomspace(first, last, count).astype(int))


def band_sums(values: npt.NDArray[Any], edges: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Return sums [frames, bands] of values [frames, bins] from each edge up to the next one."""
    return np.add.reduceat(values[:, : edges[-1]], edges[:-1], axis=1)
