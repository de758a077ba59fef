"""Noise for the energy that no token describes, as perceptual noise substitution in AAC (ISO/IEC
14496-3).

Bins without tokens get most of the missing energy of their band. Bins with tokens get little:
noise between the coded lines costs more of their prominence than it gives. The noise is a fixed
table, so that the same tokens make the same sound. The second layer has more of it from 5 kHz on, where
nobody looks for lines, and noise above the bands with the level that one of its tokens codes.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from models.swift.energies import SILENT, UNIT, Energies
from models.swift.frame_layout import BAND_EDGES, BAND_OF_BIN, BAND_WIDTHS, BANDS, BIN, BINS, CHANNELS, HOP, Array
from models.swift.treble_levels import CONTINUED, EDGES, ROUNDING

PERIOD = 61  # frames after which the noise repeats
UNCODED = (0.85, 600, 300)  # part of the missing amplitude, Hz from which it is added, Hz over which it is faded in
CODED = (0.15, 1000, 500)
BRIGHT, BRIGHT_SLOPE = 5000, 3000  # Hz from which the second layer adds more noise, Hz over which that is faded in
MORE_UNCODED, MORE_CODED = 0.12, 0.45
ABOVE_SLOPE, ABOVE_DROP = 0.5, 3 * UNIT  # part of the fall from band to band that continues, units below that
LOUDEST = 1.5  # root of the energy of both channels, a sample: full scale is 1.41, bent tokens may say more


def _part(share: float, start: float, slope: float) -> Array:
    """Return the part of the missing amplitude that each bin gets, [BINS]."""
    hertz = (np.arange(BINS) + 0.5) * BIN
    return (share * np.clip((hertz - start) / slope, 0, 1)).astype(np.float32)


_NOISE: Array = np.random.RandomState(0).standard_normal((PERIOD, CHANNELS, BINS)).astype(np.float32)
_NOISE_ABOVE: Array = np.concatenate(
    [
        np.random.RandomState(1 + part).standard_normal((PERIOD, CHANNELS, end - first)).astype(np.float32)
        for part, (first, end) in enumerate(pairwise(EDGES))
    ],
    axis=2,
)
_FIRST = _part(*CODED), _part(*UNCODED)
_SECOND = (
    _FIRST[0] + _part(MORE_CODED, BRIGHT, BRIGHT_SLOPE),
    _FIRST[1] + _part(MORE_UNCODED, BRIGHT, BRIGHT_SLOPE),
)


def filled(
    decoded: Array, coded: npt.NDArray[np.bool_], energies: Energies, treble: Array | None, frame: int
) -> Array:  # fmt: skip
    """Return decoded coefficients with noise up to the energies, [2, HOP].

    `decoded` and `coded`, the bins that have tokens, are [2, BINS]. `treble` are the amplitudes above
    BINS [2, HOP - BINS], where the second layer codes them.
    """
    wanted = np.power(10, energies / (10 * UNIT)) * (energies > SILENT)
    present = np.add.reduceat(np.square(decoded), BAND_EDGES[:-1], axis=1) / BAND_WIDTHS
    missing = np.sqrt(np.maximum(wanted.reshape(CHANNELS, BANDS) - present, 0)).astype(np.float32)
    in_coded, in_uncoded = _FIRST if treble is None else _SECOND
    amplitude = missing[:, BAND_OF_BIN] * np.where(coded, in_coded, in_uncoded)
    if treble is None:
        treble = _continued(energies)
    else:
        amplitude = np.maximum(amplitude, treble[:, -1:].clip(max=ROUNDING))
    noise = _NOISE[frame % PERIOD] * amplitude, _NOISE_ABOVE[frame % PERIOD] * treble
    return np.concatenate([decoded + noise[0], noise[1]], axis=1)


def _continued(energies: Energies) -> Array:
    """Return the amplitudes of the bins above BINS, by the energies of the last two bands."""
    last = energies.reshape(CHANNELS, BANDS)[:, -2:]
    continued = last[:, 1] + ABOVE_SLOPE * np.minimum(last[:, 1] - last[:, 0], 0) - ABOVE_DROP
    amplitude = np.power(10, continued / (20 * UNIT)) * (last[:, 1] > SILENT)
    found = np.zeros((CHANNELS, HOP - BINS), np.float32)
    found[:, : CONTINUED - BINS] = amplitude[:, None]
    return found


def limited(frame: Array) -> Array:
    """Return the samples or coefficients of a frame [2, n] at no more than LOUDEST: bent tokens
    have no bound.
    """
    power = float(np.square(frame, dtype=np.float64).sum()) / HOP
    return frame if power <= LOUDEST**2 else frame * np.float32(LOUDEST / power**0.5)
