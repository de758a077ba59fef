"""The mean waveform of a stream: frames unfolded at their borders, the high part times the gain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.codicodec.start.digit_layout import HOP, OVERLAP, Array
from models.codicodec.start.frame_decoder import FrameSound
from models.codicodec.start.frame_space import HALF, mid_side, rotate_back
from models.codicodec.start.gain_curves import SLOT, SLOTS, gate, linear_gains

_SLOTS_BEFORE = OVERLAP // SLOT
FADE = 256  # samples in which overlapping frames are crossfaded


@dataclass(frozen=True)
class Piece:
    """Samples that a frame completes."""

    mean: Array  # left and right [2, n]
    gains: Array  # [n], of everything above the split


@dataclass(frozen=True)
class Parts:
    """Samples that a frame completes, mid and side, low and high part; the high part has its gain."""

    low: Array  # [2, n]
    high: Array  # [2, n]
    gains: Array  # [n]


class MeanSynthesis:
    """Borders and gains that one frame leaves to the next."""

    def __init__(self) -> None:
        self._tail = np.zeros((2, 2, HALF), np.float32)  # low and high part: the end of the last frame vector
        self._curve = np.zeros(_SLOTS_BEFORE + 1)
        self._corrected = 0.0  # dB, correction of the last slot

    def add(self, frame: FrameSound) -> Piece:
        """Return the HOP samples that a frame completes: they begin OVERLAP before its own gains."""
        parts = self.parts(frame)
        return Piece(mid_side(parts.low + parts.high), parts.gains)

    def parts(self, frame: FrameSound) -> Parts:
        """Return the parts of the HOP samples that a frame completes."""
        vector = np.stack([frame.low, frame.high])
        right, left = rotate_back(vector[..., :HALF], self._tail[..., ::-1], OVERLAP)
        samples = np.concatenate([left[..., ::-1], right, vector[..., HALF:-HALF]], axis=-1)
        curve = np.concatenate([self._curve, frame.curve])
        own = curve[1 : 1 + SLOTS]
        own[:_SLOTS_BEFORE] += gate(frame.events, float(own[_SLOTS_BEFORE - 1]))
        gains = linear_gains(own + frame.envelope, curve[0] + self._corrected)
        self._tail, self._curve = vector[..., -HALF:].copy(), frame.curve[-_SLOTS_BEFORE - 1 :]
        self._corrected = float(frame.envelope[-1])
        return Parts(samples[0], samples[1] * gains, gains)

    def mix(self, frame: FrameSound, residual: Array) -> Array:
        """Return the samples [2, HOP] that a frame completes, with a residual [2, HOP] under the gain."""
        piece = self.add(frame)
        return piece.mean + residual * piece.gains

    def end(self) -> Piece:
        """Return the last OVERLAP samples, which fade out."""
        return Piece(*(part[..., :OVERLAP] for part in self._flushed()))

    def _flushed(self) -> tuple[Array, Array]:
        silent = np.zeros((2, HOP), np.float32)
        piece = self.add(FrameSound(silent, silent, np.zeros(SLOTS), [], np.zeros(SLOTS), silent))
        return piece.mean, piece.gains


class OverlappedMean:
    """The mean of frames that begin a shorter `hop` apart, each decoded alone.

    Of a frame only what lies between its borders is used; it is FADE samples late, and crossfaded
    with the frame before.
    """

    def __init__(self, hop: int) -> None:
        self._hop = hop
        self._kept = Piece(np.zeros((2, FADE), np.float32), np.ones(FADE, np.float32))
        self._late = np.zeros((2, FADE), np.float32)

    def add(self, frame: FrameSound) -> Piece:
        """Return `hop` samples, those before the last FADE ones that the frame completes."""
        alone = MeanSynthesis().add(frame)
        end = Piece(alone.mean[:, -self._hop - FADE :], alone.gains[-self._hop - FADE :])
        rising = ((np.arange(FADE) + 0.5) / FADE).astype(np.float32)
        mean, gains = end.mean.copy(), end.gains.copy()
        mean[:, :FADE] = rising * mean[:, :FADE] + (1 - rising) * self._kept.mean
        gains[:FADE] = rising * gains[:FADE] + (1 - rising) * self._kept.gains
        self._kept = Piece(end.mean[:, -FADE:], end.gains[-FADE:])
        return Piece(mean[:, :-FADE], gains[:-FADE])

    def mix(self, frame: FrameSound, residual: Array) -> Array:
        """Return `hop` samples with the residual [2, hop] of the frame, which is made as late."""
        piece = self.add(frame)
        delayed: Array = np.concatenate([self._late, residual], axis=1)
        self._late = delayed[:, -FADE:]
        mixed: Array = piece.mean + delayed[:, :-FADE] * piece.gains
        return mixed
