"""Tones: height of the original's spectral peaks above their surroundings that is left in the
output.

A peak is a bin of a 341 ms window that exceeds the median of the 179 Hz around it. The score of a
band is the part of that height, in dB, which is left in the output. A band of noise in place of a
partial scores about 0, because the largest of five noise bins exceeds their median by some 6 dB and
these are subtracted.

The height alone is blind to level: a partial 30 dB too low still counts if its surroundings are
lower still. `level` also weights each peak by its level error: 1 within 3 dB of the original, 0
from 15 dB on. That also lowers narrow bands of noise, whose level in one window is random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.training.judge.short_time import RATE, Signal, decibels, spectra

WINDOW, HOP = 16384, 4096
BANDS = ((80, 470), (470, 2000), (2000, 8000))  # Hz
REACH = 30  # bins on either side of a peak whose median is the floor
PROMINENCE, HEIGHT = 12.0, 15.0  # dB that a peak must exceed the valleys beside it, and its floor
RANGE = 60.0  # dB below the frame's maximum where peaks are still counted
QUIET = 40.0  # dB below the loudest frame from which a frame is left out
NOISE = 6.0  # dB by which the largest of five bins of noise exceeds its floor
NEAR, FAR = 3.0, 15.0  # dB of level error that cost nothing, and everything
LEAST = 20  # peaks; a band with no more has no score


@dataclass(frozen=True)
class BandTones:
    """Tones of one band."""

    peaks: int
    kept: float | None  # part of the peaks' height that is left, 0 to 1
    level: float | None  # the same, each peak weighted by its level error and never above its original height


def tones(reference: Signal, degraded: Signal) -> tuple[BandTones, ...]:
    """Return the tones of each of `BANDS`.

    Both signals are mono, of one length, aligned in time and level.
    """
    before, after = (decibels(np.abs(spectra(x, WINDOW, HOP)) ** 2, 1e-18) for x in (reference, degraded))
    frame, place, height = _peaks(before)
    near = after[frame[:, None], place[:, None] + np.arange(-2, 3)].max(1)
    left = np.clip(near - _floors(after, frame, place) - NOISE, 0, height)
    error = np.abs(near - before[frame, place])
    lines = np.minimum(left, height - NOISE) * np.clip((FAR - error) / (FAR - NEAR), 0, 1)
    hertz = place * RATE / WINDOW
    found = []
    for low, high in BANDS:
        inside = (low <= hertz) & (hertz < high)
        count, whole = int(inside.sum()), float((height - NOISE)[inside].sum())
        kept, level = (float(part[inside].sum()) / whole if count > LEAST else None for part in (left, lines))
        found.append(BandTones(count, kept, level))
    return tuple(found)


def _peaks(levels: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Return frame, bin and height of every peak of levels [frames, bins] within the bands.

    The height is above the floor, in dB.
    """
    tops = levels.max(1, keepdims=True, initial=-np.inf)
    counted = (levels > tops - RANGE) & (tops >= tops.max(initial=-np.inf) - QUIET)
    low, high = (int(np.ceil(hertz * WINDOW / RATE)) for hertz in (BANDS[0][0], BANDS[-1][1]))
    middle = levels[:, low:high]
    local = (middle > levels[:, low - 1 : high - 1]) & (middle > levels[:, low + 1 : high + 1])
    frame, place = np.nonzero(local & counted[:, low:high])
    place += low
    height = levels[frame, place] - _floors(levels, frame, place)
    high_enough = height > HEIGHT
    frame, place, height = frame[high_enough], place[high_enough], height[high_enough]
    clear = _prominences(_surroundings(levels, frame, place)) >= PROMINENCE
    return frame[clear], place[clear], height[clear]


def _surroundings(levels: npt.NDArray[Any], frame: npt.NDArray[Any], place: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return levels [peaks, 2 REACH + 1] around each bin; the spectrum is mirrored at 0 Hz."""
    padded = np.pad(levels, ((0, 0), (REACH, REACH)), mode="symmetric")
    return padded[frame[:, None], place[:, None] + np.arange(2 * REACH + 1)]


def _floors(levels: npt.NDArray[Any], frame: npt.NDArray[Any], place: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.partition(_surroundings(levels, frame, place), REACH, axis=1)[:, REACH]


def _prominences(around: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the height of the middle of each row above the higher of the two valleys beside it.

    A valley is the lowest value up to the first one that is higher than the middle.
    """
    middle = around[:, REACH]
    valleys = []
    for side in (around[:, REACH::-1], around[:, REACH:]):
        past = np.logical_or.accumulate(side > middle[:, None], axis=1)
        valleys.append(np.where(past, np.inf, side).min(1))
    return middle - np.maximum(*valleys)
