"""Loudness: ITU-R BS.1770-5, Algorithms to measure audio programme loudness and true-peak audio level, annex 1.

    sound ─► K-weighting: shelf, high-pass ─► mean square in blocks of 100 ms ─► L = -0.691 + 10 log10 (left + right)

The standard gives its two filters at 48 kHz; for another rate they are carried over by their poles and zeros (bilinear,
not warped: 997 Hz stays within 0.05 dB from 16 kHz on). Momentary is over 400 ms, short-term over 3 s (EBU Tech 3341),
integrated over what is kept, gated at -70 LUFS and at 10 below the mean of what passes that.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt
from numba import njit

BLOCK_S = 0.1
GATE_BLOCKS = 4  # of a gating block; the next one begins a block later
MOMENTARY, SHORT_TERM = 4, 30  # blocks
OFFSET_DB = -0.691  # by which a full-scale 997 Hz in one channel is -3.01
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0  # LUFS, LU
SILENCE = -70.0  # LUFS: what is less is told as this
TABLE_RATE = 48_000
# b0 b1 b2 a1 a2: tables 1 and 2
STAGES = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585),
    (1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621),
)
Audio = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]


def stages_at(rate: int) -> Numbers:
    """The two filters at a rate, [2, 5], b0 b1 b2 a1 a2."""
    found = []
    for b0, b1, b2, a1, a2 in STAGES:
        zeros, poles = (_carry(np.roots(p), rate) for p in ([b0, b1, b2], [1.0, a1, a2]))
        numerator, denominator = np.real(np.poly(zeros)), np.real(np.poly(poles))
        # the gain at half the rate stays: -1 is where the bilinear map keeps infinity, whatever the rate
        wanted = (b0 - b1 + b2) / (1.0 - a1 + a2)
        alternate = np.array([1.0, -1.0, 1.0])
        gain = wanted * (denominator @ alternate) / (numerator @ alternate)
        found.append([*(gain * numerator), *denominator[1:]])
    return np.array(found)


def _carry(roots: npt.NDArray[np.inexact], rate: int) -> npt.NDArray[np.inexact]:
    """z at TABLE_RATE to s, and back to z at `rate`."""
    s = 2 * TABLE_RATE * (roots - 1) / (roots + 1)
    moved: npt.NDArray[np.inexact] = (2 * rate + s) / (2 * rate - s)
    return moved


@njit("void(float32[:, :], float64[:, ::1], float64[:, :, ::1], float64[:, ::1])", cache=True, nogil=True)
def _weigh(audio, stages, state, out):  # type: ignore[no-untyped-def]
    """K-weight audio [C, T] into out; state [C, 2, 2]. Direct form II, transposed."""
    for c in range(audio.shape[0]):
        for i in range(audio.shape[1]):
            x = float(audio[c, i])
            for s in range(2):
                y = stages[s, 0] * x + state[c, s, 0]
                state[c, s, 0] = stages[s, 1] * x - stages[s, 3] * y + state[c, s, 1]
                state[c, s, 1] = stages[s, 2] * x - stages[s, 4] * y
                x = y
            out[c, i] = x


class Loudness:
    """Of one signal, over the last `seconds` of it. One thread."""

    def __init__(self, rate: int, channels: int = 2, seconds: float = 30.0) -> None:
        self._size = round(BLOCK_S * rate)
        self._stages = stages_at(rate)
        self._state = np.zeros((channels, 2, 2))
        self._rest = np.zeros((channels, 0))
        self._powers: deque[float] = deque(maxlen=max(SHORT_TERM, round(seconds / BLOCK_S)))

    def add(self, audio: Audio) -> None:
        """Take the next [C, n]."""
        weighed = np.empty(audio.shape)
        _weigh(audio, self._stages, self._state, weighed)
        self._rest = np.concatenate([self._rest, weighed], axis=1)
        while self._rest.shape[1] >= self._size:
            block, self._rest = self._rest[:, : self._size], self._rest[:, self._size :]
            self._powers.append(float((block**2).mean(axis=1).sum()))

    @property
    def momentary(self) -> float:
        """LUFS."""
        return self._over(MOMENTARY)

    @property
    def short_term(self) -> float:
        """LUFS."""
        return self._over(SHORT_TERM)

    @property
    def integrated(self) -> float:
        """LUFS, of what is not silence; SILENCE if all is."""
        powers = np.array(self._powers)
        if len(powers) < GATE_BLOCKS:
            return SILENCE
        powers = np.convolve(powers, np.full(GATE_BLOCKS, 1 / GATE_BLOCKS), "valid")
        for gate in (ABSOLUTE_GATE, None):
            least = gate if gate is not None else _lufs(powers.mean()) + RELATIVE_GATE
            powers = powers[powers > _power(least)]
            if not powers.size:
                return SILENCE
        return _lufs(powers.mean())

    def _over(self, blocks: int) -> float:
        recent = list(self._powers)[-blocks:]
        return _lufs(sum(recent) / blocks) if recent else SILENCE


def _lufs(power: float) -> float:
    return max(SILENCE, OFFSET_DB + 10.0 * float(np.log10(power))) if power > 0 else SILENCE


def _power(lufs: float) -> float:
    return float(10.0 ** ((lufs - OFFSET_DB) / 10.0))
