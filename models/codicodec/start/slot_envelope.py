"""Corrections of the level above 609 Hz in time, which the continuous path alone has.

The fractions of SLOTS digits are corrections in dB of the slots of the HOP samples that a frame
completes. The encoder decodes its own codes, and asks for what the decoder lacks of the sound's level
in each slot. Half a fraction is half the correction in dB, so from discrete to continuous codes the
sound changes smoothly.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.codicodec.start.digit_layout import (
    ENVELOPE_DIGITS,
    FRACTION,
    GRID,
    GRID_BINS,
    HOP,
    OVERLAP,
    Array,
    Codes,
)
from models.codicodec.start.frame_decoder import FrameSound, decode
from models.codicodec.start.gain_curves import ENVELOPE_STEP, SLOT, SLOTS, Curve
from models.codicodec.start.mean_synthesis import MeanSynthesis
from models.codicodec.start.start_weights import StartWeights

HALVED = 4.0  # dB of difference of which half is corrected: of less nearly nothing, of more nearly all
MOST_UP = 9.0  # dB
FAINT = 1e-9  # energy added to that of a slot
SMOOTHED = 33  # samples, odd: levels are measured without their moving mean, mostly above 1 kHz
COLUMNS, WINDOW = HOP // OVERLAP, 2 * OVERLAP  # of the noise


def _spread() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
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


def _heard() -> npt.NDArray[np.float64]:
    """Return the part of the power in each bin of the grid that is measured."""
    angle = np.pi * (np.arange(GRID_BINS) + 0.5) / GRID_BINS
    return np.square(1 - np.sin(SMOOTHED * angle / 2) / np.sin(angle / 2) / SMOOTHED)


_WEIGHTS, _NOISE = _spread()
_HEARD = _heard()


class EnvelopeFinder:
    """State of one running encode: what the decoder has synthesised."""

    def __init__(self, weights: StartWeights) -> None:
        self._weights = weights
        self._synthesis = MeanSynthesis()
        self._tail = np.zeros(len(_NOISE) // 2)  # power of the last column's noise in the next frame's slots

    def fractions(self, codes: Codes, high: Array) -> npt.NDArray[np.float64]:
        """Return the fractions [SLOTS] for a frame's codes without them.

        `high` [2, HOP or more] is the sound above the split from the first sample that the frame
        covers on.
        """
        sound = decode(self._weights, codes)
        part = self._synthesis.parts(sound)
        noise = np.repeat(self._noise(sound), SLOT) * np.square(part.gains)
        decoded, wanted = _levels(_powers(part.high) + noise), _levels(_powers(high[:, :HOP]))
        missing = wanted - decoded
        correction = missing**3 / (missing**2 + HALVED**2)
        return np.clip(np.minimum(correction, MOST_UP) / ENVELOPE_STEP, -FRACTION, FRACTION)

    def _noise(self, sound: FrameSound) -> npt.NDArray[np.float64]:
        """Return the power of the decoder's noise in each slot, over the gain."""
        columns = (sound.missing.sum(0) @ _HEARD / GRID_BINS) @ _WEIGHTS
        half = len(_NOISE) // 2
        own = np.concatenate([self._tail, np.zeros(SLOTS)])
        for number, column in enumerate(columns):
            own[number * half : number * half + len(_NOISE)] += column * _NOISE
        self._tail = own[SLOTS:].copy()
        return own[:SLOTS]


def _powers(high: Array) -> npt.NDArray[np.float64]:
    """Return the power of samples [2, n] without their moving mean."""
    half = SMOOTHED // 2
    summed = np.cumsum(np.pad(high.astype(np.float64), ((0, 0), (half + 1, half)), mode="edge"), axis=1)
    return np.square(high - (summed[:, SMOOTHED:] - summed[:, :-SMOOTHED]) / SMOOTHED).sum(0)


def _levels(power: npt.NDArray[np.floating]) -> Curve:
    """Return the level of each slot in dB."""
    return 10 * np.log10(power.reshape(SLOTS, SLOT).mean(1) + FAINT)


assert len(ENVELOPE_DIGITS) == SLOTS
