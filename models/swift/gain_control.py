"""Gain control: one attack token a frame says where the sound above 600 Hz rises, how far, and
how fast it falls again.

After the gain control of AAC-SSR (ISO/IEC 13818-7), but the gain follows from this token and
earlier ones only and is applied after the attack, so that it needs no look-ahead of a hop:

    high part / gain -> MDCT -> ... -> inverse MDCT * gain

A log gain of 0 dB or more is kept for slots of 128 samples. It falls by the release each slot. At
the slot of an attack it rises by the level. The quantisation noise before an attack is then as
soft as what was there before.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.swift.frame_layout import HOP, RATE, Array

SLOT = 128  # samples
SLOTS = HOP // SLOT  # of a frame
LEVELS = (6.0, 9.0, 12.0, 16.0, 21.0, 28.0, 38.0, 52.0)  # dB that an attack may rise by
RELEASES = (8.0, 4.0, 2.0, 1.0)  # dB a slot
USUAL = 1  # the release when there is nothing to release
MOST = 60.0  # dB, the highest gain
NEUTRAL = USUAL  # token of a frame without attack
VALUES = (1 + SLOTS * len(LEVELS)) * len(RELEASES)  # tokens in use; higher ones count as the last attack
RISE = 24  # samples in which a gain rises

THRESHOLD = 5.0  # dB over the mean of the slots before, that an attack is more than
HISTORY, SMOOTH = 8, 6  # slots: an attack is compared with, a release is chosen by
FAINT = 1e-8  # energy added to that of a slot

HALF_TAPS = 128  # samples of look-ahead of the high-pass
CORNER, SLOPE = 600, 400  # Hz: all is passed from CORNER up; the middle of the slope is SLOPE / 2 lower


def low_pass() -> Array:
    """Return the taps of the low-pass, [2 * HALF_TAPS + 1]: a Kaiser-windowed sinc. The high part
    is the rest.
    """
    place = np.arange(-HALF_TAPS, HALF_TAPS + 1)
    corner = 2 * (CORNER - SLOPE / 2) / RATE
    taps = np.sinc(corner * place) * np.kaiser(len(place), 5)
    return (taps / taps.sum()).astype(np.float32)


def token_of(position: int, level: int, release: int) -> int:
    """Return the token of an attack at a slot (-1: none) by a level, with a release; both as
    indices.
    """
    attack = 1 + position * len(LEVELS) + level if position >= 0 else 0
    return attack * len(RELEASES) + release


def curve_of(token: int, start: float) -> list[float]:
    """Return the gain in dB at the end of each slot, from a token and the gain at the end of the
    last frame.
    """
    attack, release = divmod(min(token, VALUES - 1), len(RELEASES))
    position, level = divmod(attack - 1, len(LEVELS)) if attack else (-1, 0)
    return _curve(start, position, LEVELS[level], RELEASES[release])


def _curve(start: float, position: int, level: float, release: float) -> list[float]:
    gain, curve = start, []
    for slot in range(SLOTS):
        gain = max(0.0, gain - release)
        if slot == position:
            gain = min(gain + level, MOST)
        curve.append(gain)
    return curve


def gains_of(curve: list[float], before: float) -> Array | None:
    """Return the linear gain of each sample [HOP]; None if it is 1 throughout. `before` is the
    last gain in dB.
    """
    if before <= 0 and max(curve) <= 0:
        return None
    return linear(curve, before)


def linear(curve: list[float], before: float) -> Array:
    """Return the linear gain of each sample [HOP] of a curve in dB; `before` is the last gain in dB."""
    ends = np.array(curve, np.float32)[:, None]
    begins = np.array([before, *curve[:-1]], np.float32)[:, None]
    decibels = begins + (ends - begins) * np.where(ends > begins, _UP, _DOWN)
    return np.power(np.float32(10), decibels / 20).reshape(-1)


_DOWN = ((np.arange(SLOT) + 0.5) / SLOT).astype(np.float32)
_UP = np.minimum((np.arange(SLOT) + 0.5) / RISE, 1).astype(np.float32)


@dataclass
class AttackFinder:
    """Levels of the last slots, by which an encoder chooses attack tokens. One stream, one
    thread.
    """

    normalised: list[float] = field(default_factory=lambda: [10 * np.log10(FAINT)] * HISTORY)  # dB, after the gain
    raw: list[float] = field(default_factory=lambda: [10 * np.log10(FAINT)] * HISTORY)  # dB, before it

    def choose(self, high: Array, start: float) -> int:
        """Return the token for the high part of a hop [2, HOP]; `start` is the gain at its
        beginning in dB.

        The attack is at the slot that rises most over the mean of the slots before, both as it is
        and after the gain. The release is the one that leaves the least variance of levels.
        """
        energy = np.square(high, dtype=np.float64).sum(0).reshape(SLOTS, SLOT).mean(1) + FAINT
        levels = 10 * np.log10(energy)
        falling = np.array(_curve(start, -1, 0.0, RELEASES[USUAL]))
        position, rise = self._attack(energy, levels, falling)
        if position < 0 and start <= 0:
            self._remember(levels, levels)
            return NEUTRAL
        level = int(np.abs(np.array(LEVELS) - rise).argmin()) if position >= 0 else 0
        curves = np.array([_curve(start, position, LEVELS[level], release) for release in RELEASES])
        after = levels - curves
        past = np.broadcast_to(self.normalised[-SMOOTH:], (len(RELEASES), SMOOTH))
        release = int(np.concatenate([past, after], axis=1).var(axis=1).argmin())
        self._remember(after[release], levels)
        return token_of(position, level, release)

    def _attack(self, energy: np.ndarray, levels: np.ndarray, falling: np.ndarray) -> tuple[int, float]:
        """Return the slot of the greatest rise and its dB; slot -1 if none is an attack."""
        before = _mean_before(self.normalised, levels - falling)
        raw_before = _mean_before(self.raw, levels)
        summed = np.concatenate([[0], np.cumsum(energy)])
        ends = np.minimum(np.arange(SLOTS) + 3, SLOTS)
        after = 10 * np.log10((summed[ends] - summed[:-1]) / (ends - np.arange(SLOTS)))
        rises = after - falling - before
        found = (after - raw_before > THRESHOLD) & (rises > THRESHOLD) & (levels - raw_before > THRESHOLD / 2)
        position, best = -1, 0.0
        for slot in np.flatnonzero(found).tolist():
            if rises[slot] > best + 1:
                position, best = slot, float(rises[slot])
        return position, best

    def _remember(self, normalised: np.ndarray, raw: np.ndarray) -> None:
        self.normalised = normalised[-HISTORY:].tolist()
        self.raw = raw[-HISTORY:].tolist()


def _mean_before(history: list[float], levels: np.ndarray) -> np.ndarray:
    """Return for each slot the mean level of the HISTORY slots before it in dB, by energy."""
    summed = np.cumsum(np.power(10.0, np.concatenate([[-np.inf], history, levels]) / 10))
    return 10 * np.log10((summed[HISTORY : HISTORY + SLOTS] - summed[:SLOTS]) / HISTORY + 1e-12)
