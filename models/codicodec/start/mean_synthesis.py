"""The mean waveform of a stream: frames unfolded at their borders, the high part times the gain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.codicodec.start.digit_layout import GRID, GRID_BINS, HOP, OVERLAP, Array
from models.codicodec.start.frame_decoder import FrameSound
from models.codicodec.start.frame_space import HALF, mid_side, rotate_back
from models.codicodec.start.gain_curves import SLOT, SLOTS, Curve, gate, linear_gains
from models.codicodec.start.slot_levels import FAINT, NoisePower, Powers, decibels, slot_powers
from models.codicodec.start.slot_network import Rows, SlotInputs, SlotNetwork

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
    noise: Powers  # of each slot, with its gain: power of what the mean lacks
    rows: Rows  # inputs of the network of levels


class MeanSynthesis:
    """Borders and gains that one frame leaves to the next.

    `slots` corrects the levels of the high part; without it only the codes do.
    """

    def __init__(self, slots: SlotNetwork | None) -> None:
        self._slots, self._inputs, self._noise = slots, SlotInputs(), NoisePower()
        self._wanted = 10 * np.log10(FAINT)  # dB over the gain, at the last time of the grid
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
        rows, noise = self._known(frame, samples[1], own)
        corrected = frame.envelope if self._slots is None else frame.envelope + self._slots.corrections(rows)
        gains = linear_gains(own + corrected, curve[0] + self._corrected)
        self._tail, self._curve = vector[..., -HALF:].copy(), frame.curve[-_SLOTS_BEFORE - 1 :]
        self._corrected = float(corrected[-1])
        noise = noise * np.square(gains).reshape(SLOTS, SLOT).mean(1)
        return Parts(samples[0], samples[1] * gains, gains, noise, rows)

    def _known(self, frame: FrameSound, high: Array, curve: Curve) -> tuple[Rows, Powers]:
        """Return the inputs of the network for the slots under a curve in dB, and the noise's power over the gain."""
        noise = self._noise.add(frame.missing)
        power = np.power(10, curve / 10)
        wanted = np.repeat(np.concatenate([[self._wanted], frame.levels]), SLOTS // GRID)[:SLOTS]
        self._wanted = float(frame.levels[-1])
        decoded = decibels((slot_powers(high) + noise) * power)
        return self._inputs.rows(decoded, decibels(noise * power), wanted + curve, curve), noise

    def mix(self, frame: FrameSound, residual: Array) -> Array:
        """Return the samples [2, HOP] that a frame completes, with a residual [2, HOP] under the gain."""
        piece = self.add(frame)
        return piece.mean + residual * piece.gains

    def end(self) -> Piece:
        """Return the last OVERLAP samples, which fade out."""
        return Piece(*(part[..., :OVERLAP] for part in self._flushed()))

    def _flushed(self) -> tuple[Array, Array]:
        silent, missing = np.zeros((2, HOP), np.float32), np.zeros((2, GRID, GRID_BINS), np.float32)
        levels = np.full(GRID, 10 * np.log10(FAINT))
        piece = self.add(FrameSound(silent, silent, np.zeros(SLOTS), [], np.zeros(SLOTS), missing, levels))
        return piece.mean, piece.gains


class OverlappedMean:
    """The mean of frames that begin a shorter `hop` apart, each decoded alone.

    Of a frame only what lies between its borders is used; it is FADE samples late, and crossfaded
    with the frame before.
    """

    def __init__(self, hop: int, slots: SlotNetwork | None) -> None:
        self._hop, self._slots = hop, slots
        self._kept = Piece(np.zeros((2, FADE), np.float32), np.ones(FADE, np.float32))
        self._late = np.zeros((2, FADE), np.float32)

    def add(self, frame: FrameSound) -> Piece:
        """Return `hop` samples, those before the last FADE ones that the frame completes."""
        alone = MeanSynthesis(self._slots).add(frame)
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
