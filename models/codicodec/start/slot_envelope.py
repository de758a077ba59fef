"""Corrections of the level above 609 Hz in time, which the continuous path alone has.

The fractions of SLOTS digits are corrections in dB of the slots of the HOP samples that a frame
completes. The encoder decodes its own codes, and asks for what the decoder lacks of the sound's level
in each slot. Half a fraction is half the correction in dB, so from discrete to continuous codes the
sound changes smoothly.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.codicodec.start.digit_layout import ENVELOPE_DIGITS, FRACTION, HOP, Array, Codes
from models.codicodec.start.frame_decoder import decode
from models.codicodec.start.gain_curves import ENVELOPE_STEP, SLOTS
from models.codicodec.start.mean_synthesis import MeanSynthesis
from models.codicodec.start.slot_levels import decibels, slot_powers
from models.codicodec.start.start_weights import StartWeights

HALVED = 4.0  # dB of difference of which half is corrected: of less nearly nothing, of more nearly all
MOST_UP = 9.0  # dB


class EnvelopeFinder:
    """State of one running encode: what the decoder has synthesised."""

    def __init__(self, weights: StartWeights) -> None:
        self._weights = weights
        self._synthesis = MeanSynthesis(weights.slots)

    def fractions(self, codes: Codes, high: Array) -> npt.NDArray[np.float64]:
        """Return the fractions [SLOTS] for a frame's codes without them.

        `high` [2, HOP or more] is the sound above the split from the first sample that the frame
        covers on.
        """
        part = self._synthesis.parts(decode(self._weights, codes))
        missing = decibels(slot_powers(high[:, :HOP])) - decibels(slot_powers(part.high) + part.noise)
        correction = missing**3 / (missing**2 + HALVED**2)
        return np.clip(np.minimum(correction, MOST_UP) / ENVELOPE_STEP, -FRACTION, FRACTION)


assert len(ENVELOPE_DIGITS) == SLOTS
