"""Analysis of a stream hop by hop: attack token and coefficients of mid and side.

What comes in is late by the look-ahead of the high-pass, 128 samples, so that all parts lie on
one time axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.codec import Audio
from models.swift import mdct
from models.swift.frame_layout import BINS, HOP, SPLIT, Array
from models.swift.gain_control import HALF_TAPS, AttackFinder, curve_of, gains_of, low_pass

LOUDEST = 4.0  # of a sample, in and out
_BLOCK = HOP + 2 * HALF_TAPS
_LOW_PASS = np.fft.rfft(low_pass(), _BLOCK).astype(np.complex64)
_HALF = np.float32(0.5**0.5)
FLAT = [0.0]  # a curve without gain


def mid_side(audio: Array) -> Array:
    """Return mid and side of left and right [2, n], or left and right of mid and side."""
    return np.stack([audio[0] + audio[1], audio[0] - audio[1]]) * _HALF


def tamed(chunk: Audio) -> Audio:
    """Return the chunk as float32, with NaN replaced by 0 and clipped to ±LOUDEST."""
    finite = np.nan_to_num(np.asarray(chunk, np.float32), nan=0.0, posinf=LOUDEST, neginf=-LOUDEST)
    return finite.clip(-LOUDEST, LOUDEST)


@dataclass(frozen=True)
class Analysed:
    """One frame of the encoder before quantisation."""

    attack: int  # token
    coefficients: Array  # [2, BINS]
    above: Array  # [2, HOP - BINS]: those above the bands
    high: Array  # [2, HOP]: the part above 600 Hz of the hop that the frame completes


class Analyser:
    """Samples, gain and levels of one running encode."""

    def __init__(self) -> None:
        self._recent = np.zeros((2, 2 * HALF_TAPS), np.float32)  # mid and side, the last samples that came in
        self._plain = np.zeros((2, HOP), np.float32)  # of the hop before, late
        self._high = np.zeros((2, HOP), np.float32)  # its high part, not divided
        self._divided = np.zeros((2, HOP), np.float32)  # its high part over its gain
        self._finder = AttackFinder()
        self.curve = FLAT  # gain of the hop before at the end of each slot, dB
        self._earlier = FLAT  # the curve before that one
        self._active = False  # whether the hop before has a gain

    def step(self, chunk: Audio) -> Analysed:
        """Analyse one hop of left and right [2, HOP]; the frame covers it and the hop before,
        HALF_TAPS late.
        """
        x = np.concatenate([self._recent, mid_side(tamed(chunk))], axis=1)
        self._recent = x[:, HOP:]
        plain = x[:, HALF_TAPS : HALF_TAPS + HOP]
        low = np.fft.irfft(np.fft.rfft(x) * _LOW_PASS, _BLOCK)[:, 2 * HALF_TAPS :].astype(np.float32)
        high = plain - low
        attack = self._finder.choose(high, self.curve[-1])
        curve = curve_of(attack, self.curve[-1])
        gains = gains_of(curve, self.curve[-1])
        divided = high if gains is None else high / gains
        coefficients = mdct.forward(np.concatenate([self._plain, plain], axis=1))
        if self._active or gains is not None:
            flattened = mdct.forward(np.concatenate([self._divided, divided], axis=1))
            coefficients[:, SPLIT:] = flattened[:, SPLIT:]
        found = Analysed(attack, coefficients[:, :BINS], coefficients[:, BINS:], self._high)
        self._plain, self._high, self._divided = plain, high, divided
        self._earlier, self.curve, self._active = self.curve, curve, gains is not None
        return found

    def hold(self) -> None:
        """Take the last hop's gain back: the decoder repeats that of the hop before, since the
        frame repeats.
        """
        held = self._earlier
        gains = gains_of(held, held[-1])
        self._divided = self._high if gains is None else self._high / gains
        self.curve, self._active = held, gains is not None
