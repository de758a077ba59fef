"""Level of decoded sound above 609 Hz in slots of 2.7 ms, as encoder and decoder both know it.

The mean is measured; its noise is not drawn yet, and counts with the power that it will have.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.codicodec.start.digit_layout import GRID, GRID_BINS, HOP, OVERLAP, Array
from models.codicodec.start.gain_curves import SLOT, SLOTS, Curve

FAINT = 1e-9  # energy added to that of a slot
SMOOTHED = 33  # samples, odd: levels are measured without their moving mean, mostly above 1 kHz
COLUMNS, WINDOW = HOP // OVERLAP, 2 * OVERLAP  # of the noise

Powers = npt.NDArray[np.float64]


def _spread() -> tuple[Powers, Powers]:
    """Return the weight of each time of the grid for each column [GRID, COLUMNS], and the power of a
    column's noise of mean power 1 in each slot of its window.
    """
    window = np.square(np.sin(np.pi * np.arange(WINDOW) / WINDOW)) ** 2
    overlapped = np.tile(window[:OVERLAP] + window[OVERLAP:], 2)
    noise = window / np.square(overlapped)
    noise /= (noise[:OVERLAP] + noise[OVERLAP:]).mean()
    shares = window.reshape(-1, GRID_BINS).sum(1)
    weights = np.zeros((GRID, COLUMNS))
    for column in range(COLUMNS):
        times = column * (OVERLAP // GRID_BINS) - 1 + np.arange(len(shares))
        inside = (times >= 0) & (times < GRID)
        weights[times[inside], column] = shares[inside] / shares[inside].sum()
    return weights, noise.reshape(-1, SLOT).mean(1)


def _heard() -> Powers:
    """Return the part of the power in each bin of the grid that is measured."""
    angle = np.pi * (np.arange(GRID_BINS) + 0.5) / GRID_BINS
    return np.square(1 - np.sin(SMOOTHED * angle / 2) / np.sin(angle / 2) / SMOOTHED)


_WEIGHTS, _NOISE = _spread()
_HEARD = _heard()
_HALF = len(_NOISE) // 2


class NoisePower:
    """Power of a stream's noise in slots; the last column of a frame lasts into the next one."""

    def __init__(self) -> None:
        self._tail = np.zeros(_HALF)

    def add(self, missing: Array) -> Powers:
        """Return the power over the gain [SLOTS] for what a frame lacks [2, GRID, GRID_BINS]."""
        columns = (missing.sum(0) @ _HEARD / GRID_BINS) @ _WEIGHTS
        own = np.concatenate([self._tail, np.zeros(SLOTS)])
        for number, column in enumerate(columns):
            own[number * _HALF : number * _HALF + len(_NOISE)] += column * _NOISE
        self._tail = own[SLOTS:].copy()
        return own[:SLOTS]


def slot_powers(high: Array) -> Powers:
    """Return the power [SLOTS] of samples [2, HOP] without their moving mean."""
    half = SMOOTHED // 2
    summed = np.cumsum(np.pad(high.astype(np.float64), ((0, 0), (half + 1, half)), mode="edge"), axis=1)
    changing = high - (summed[:, SMOOTHED:] - summed[:, :-SMOOTHED]) / SMOOTHED
    powers: Powers = np.square(changing).sum(0).reshape(SLOTS, SLOT).mean(1)
    return powers


def decibels(power: Powers) -> Curve:
    """Return powers as levels in dB."""
    return 10 * np.log10(power + FAINT)
