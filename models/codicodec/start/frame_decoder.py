"""Decoder of the start: codes of a frame to its mean waveform, its gain and the power of what is missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.codicodec.start import band_levels, frame_space, refinement
from models.codicodec.start.band_levels import GAIN_FULL, GRID_TOP, SILENT, SPLIT_BAND, UNIT, WIDTHS, Energies
from models.codicodec.start.block_order import GEOMETRIES, Mode, amplitudes
from models.codicodec.start.digit_layout import (
    ENERGY_DIGITS,
    ENVELOPE_DIGITS,
    EVENT_DIGITS,
    GRID,
    GRID_BINS,
    HOP,
    MODE,
    SHAPE_DIGITS,
    SPLIT,
    START_GAIN,
    Array,
    Codes,
    digits_of,
    join_numbers,
)
from models.codicodec.start.gain_curves import ENVELOPE_STEP, SLOTS, START_STEP, Curve, Event, curve_of, decode_events
from models.codicodec.start.start_weights import StartWeights

UNCODED, CODED = (0.85, 300, 300), (0.15, 1000, 500)  # part of the missing amplitude, Hz from where, Hz of slope
LEVEL_BAND = int(np.searchsorted(band_levels.CENTRES_HZ, 1000))  # first band of a frame's levels in time
_GRID_OF_SLOT = np.minimum(1 + np.arange(SLOTS) * GRID // SLOTS, GRID - 1)  # curves begin OVERLAP / 2 later


@dataclass(frozen=True)
class FrameSound:
    """Sound of a frame's codes."""

    low: Array  # [2, HOP] frame vector below the split, mid and side
    high: Array  # [2, HOP] above it, over the gain
    curve: Curve  # dB
    events: list[Event]
    envelope: Curve  # dB, corrections of the slots that the frame completes
    missing: Array  # [2, GRID, GRID_BINS] power of what the mean lacks, above the split, over the gain
    levels: Curve  # [GRID] dB: level above 1 kHz by the energies, over the gain


def decode(weights: StartWeights, codes: Codes) -> FrameSound:
    """Return the sound of codes [DIGITS] in steps, of any values."""
    digits = digits_of(codes)
    mode = list(GEOMETRIES.values())[min(int(digits[MODE]), len(GEOMETRIES) - 1)]
    energies = weights.levels.decode(digits[ENERGY_DIGITS])
    powers = mode.powers(energies)
    order = mode.order(powers, weights.priorities[mode.segments])
    shapes = weights.shapes.decode(mode, join_numbers(digits[SHAPE_DIGITS]), order)
    fractions = codes - digits
    envelope = ENVELOPE_STEP * fractions[ENVELOPE_DIGITS]
    fractions[ENVELOPE_DIGITS] = 0
    coefficients = refinement.corrected(mode, shapes, order, fractions[SHAPE_DIGITS]) * amplitudes(mode, powers)
    events = decode_events(join_numbers(digits[EVENT_DIGITS]))
    real = weights.levels.decode_real(codes[ENERGY_DIGITS], energies)
    split = coefficients.copy()
    split[..., SPLIT // mode.segments :] = 0
    return FrameSound(
        frame_space.inverse(split),
        frame_space.inverse(coefficients - split),
        _limited(curve_of(START_STEP * float(digits[START_GAIN]), events), energies),
        events,
        envelope,
        _missing(mode, coefficients, shapes.counts, real),
        band_levels.slot_levels(energies, LEVEL_BAND) / UNIT,
    )


def _limited(curve: Curve, energies: Energies) -> Curve:
    """Return a gain that is not so high that the high part is beyond full scale."""
    most = np.maximum(0, GAIN_FULL - band_levels.slot_levels(energies, SPLIT_BAND) / UNIT)
    return np.minimum(curve, most[_GRID_OF_SLOT])


def _missing(
    mode: Mode, coefficients: Array, counts: npt.NDArray[np.int64], energies: npt.NDArray[np.float64]
) -> Array:  # fmt: skip
    """Return the power [2, GRID, GRID_BINS] that noise is to add above the split.

    Most of the missing energy where no index was spent, little where one was: noise between coded
    lines costs more of their prominence than it gives.
    """
    wanted = np.power(10, energies / (10 * UNIT)) * (energies > SILENT)
    present = band_levels.band_powers(frame_space.forward(frame_space.inverse(coefficients), GRID))
    left = np.maximum(wanted - present, 0)
    hertz = (np.arange(mode.length) + 0.5) * 24_000 / mode.length
    uncoded, coded = (share * np.clip((hertz - first) / slope, 0, 1) for share, first, slope in (UNCODED, CODED))
    is_coded = np.zeros((2, mode.segments, mode.length), bool)
    for number, (_, first, end) in enumerate(mode.blocks):
        is_coded[..., first:end] = (counts[..., number] > 0)[..., None]
    share = np.square(np.where(is_coded, coded, uncoded)).reshape(2, mode.segments, GRID_BINS, -1).mean(-1)
    share = np.repeat(share, GRID // mode.segments, axis=1)
    share[..., : SPLIT // GRID] = 0
    power = np.zeros((2, GRID, GRID_BINS), np.float32)
    power[..., :GRID_TOP] = np.repeat(left, WIDTHS, axis=-1) * share[..., :GRID_TOP]
    return power


assert HOP == GRID * GRID_BINS
