"""Encoder of the start: samples of a frame to its codes, in four modes of which the best is kept."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.codec import Audio
from models.codicodec.start import band_levels, frame_space, gain_search, refinement
from models.codicodec.start.band_levels import CENTRES_HZ, UNIT, WIDTHS, Energies
from models.codicodec.start.block_order import GEOMETRIES, Mode, amplitudes
from models.codicodec.start.digit_layout import (
    DIGITS,
    ENERGY_DIGITS,
    ENVELOPE_DIGITS,
    EVENT_DIGITS,
    GRID,
    HOP,
    MODE,
    OVERLAP,
    RATE,
    REACH,
    SHAPE_DIGITS,
    SPLIT,
    START_GAIN,
    SUPPORT,
    Array,
    Codes,
    split_numbers,
)
from models.codicodec.start.frame_space import mid_side
from models.codicodec.start.gain_curves import Curve, linear_gains
from models.codicodec.start.slot_envelope import EnvelopeFinder
from models.codicodec.start.start_weights import StartWeights

LOUDEST = 4.0  # of a sample
CORNER, SLOPE = 600, 500  # Hz: the high part has all from CORNER up; the middle of the slope is SLOPE / 2 lower
LONGER = 1.05  # a mode's error counts so much more than that of the mode with half as many segments
BRIGHT = 6000  # Hz: error counts half from here on
AUDIBLE = 0.7  # exponent of the energy that an error is divided by
KEPT = gain_search.BEFORE + 1  # slots of gains that the next frame needs


def _low_pass() -> npt.NDArray[np.complex64]:
    """Return the spectrum of the low-pass, a sinc with a Kaiser window."""
    place = np.arange(-REACH, REACH + 1)
    taps = np.sinc(2 * (CORNER - SLOPE / 2) / RATE * place) * np.kaiser(len(place), 5)
    return np.fft.rfft(taps / taps.sum(), SUPPORT + 2 * REACH).astype(np.complex64)


_LOW_PASS = _low_pass()
_BAND_WEIGHTS = WIDTHS / (1 + (CENTRES_HZ / BRIGHT) ** 2)


class FrameEncoder:
    """State of one running encode: the gains at the end of the last frame, and what was decoded."""

    def __init__(self, weights: StartWeights) -> None:
        self._weights = weights
        self._before: Curve = np.zeros(KEPT)
        self._envelope = EnvelopeFinder(weights)

    def encode(self, audio: Audio) -> Codes:
        """Return the codes [DIGITS] of a frame from samples [2, SUPPORT + 2 REACH].

        The frame covers the middle SUPPORT samples. NaN counts as 0, and louder samples than ±4 as
        ±4.
        """
        codes, high = self.code(audio)
        codes[ENVELOPE_DIGITS] += self._envelope.fractions(codes, high)
        return codes

    def code(self, audio: Audio) -> tuple[Codes, Array]:
        """Return the codes as `encode` does, without corrections of slots, and the part above the split
        [2, SUPPORT] of mid and side.
        """
        analysis = FrameAnalysis(audio, self._before)
        self._before = np.concatenate([self._before, analysis.curve])[-KEPT:]
        weights = self._weights
        codes = np.zeros(DIGITS)
        codes[START_GAIN] = analysis.gain.start
        codes[EVENT_DIGITS] = split_numbers(np.array(analysis.gain.numbers))
        energy_codes = weights.levels.encode(band_levels.measure(analysis.coefficients(GRID)))
        codes[ENERGY_DIGITS] = energy_codes
        energies = weights.levels.decode(np.round(energy_codes).astype(np.int64))
        error_weights = _BAND_WEIGHTS * np.power(10, energies / (10 * UNIT)) ** -AUDIBLE
        least = np.inf
        for place, mode in enumerate(GEOMETRIES.values()):
            coefficients = analysis.coefficients(mode.segments)
            found, decoded = self._code_shapes(mode, coefficients, energies)
            missed = frame_space.forward(frame_space.inverse(coefficients - decoded), GRID)
            cost = float((band_levels.band_powers(missed) * error_weights).sum()) * LONGER**place
            if cost < least:
                least = cost
                codes[MODE], codes[SHAPE_DIGITS] = place, found
        codes[ENVELOPE_DIGITS] = np.round(codes[ENVELOPE_DIGITS])
        return codes, analysis.high

    def _code_shapes(self, mode: Mode, coefficients: Array, energies: Energies) -> tuple[Codes, Array]:
        """Return the codes of the shapes, and the coefficients that their digits decode to."""
        powers = mode.powers(energies)
        scale = amplitudes(mode, powers)
        order = mode.order(powers, self._weights.priorities[mode.segments])
        shapes = coefficients / scale
        indices, decoded = self._weights.shapes.quantise(mode, shapes, order)
        fractions = refinement.fractions(mode, shapes, decoded, order)
        return split_numbers(indices) + fractions, decoded.values * scale


class FrameAnalysis:
    """A frame's vectors, plain and with its high part divided by the gain, and that gain's digits."""

    def __init__(self, audio: Audio, before: Curve) -> None:
        finite = np.nan_to_num(np.asarray(audio, np.float32), nan=0.0, posinf=LOUDEST, neginf=-LOUDEST)
        samples = mid_side(finite.clip(-LOUDEST, LOUDEST))
        plain = samples[:, REACH:-REACH]
        low = np.fft.irfft(np.fft.rfft(samples) * _LOW_PASS, samples.shape[1])[:, 2 * REACH :].astype(np.float32)
        self.high = high = plain - low
        levels = gain_search.slot_levels(high)
        self.gain = gain_search.choose(levels, before[1:])
        self.curve = self.gain.curve
        gains = linear_gains(np.concatenate([before[1:], self.curve]), before[0])
        self.plain = self.divided = frame_space.fold(plain)
        if gains.min() != 1 or gains.max() != 1:
            self.divided = frame_space.fold(high / gains)

    def coefficients(self, segments: int) -> Array:
        """Return the coefficients [2, segments, HOP / segments] of a mode: those from SPLIT on are divided."""
        found = frame_space.forward(self.plain, segments)
        if self.divided is not self.plain:
            first = SPLIT // segments
            found[..., first:] = frame_space.forward(self.divided, segments)[..., first:]
        return found


assert SUPPORT == HOP + OVERLAP
