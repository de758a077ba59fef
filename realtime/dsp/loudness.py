"""Loudness meter after ITU-R BS.1770-5, annex 1.

    audio ─► K-weighting: shelf, high-pass ─► mean square per 100 ms ─► -0.691 + 10 log10 (sum)

The standard gives its two filters at 48 kHz. For another rate their poles and zeros are mapped by
the bilinear transform without warping (997 Hz stays within 0.05 dB from 16 kHz on). Momentary
loudness covers 400 ms, short-term loudness 3 s (EBU Tech 3341). Integrated loudness covers the
stored blocks, gated at -70 LUFS and at 10 LU below the mean of the blocks that pass that gate.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt
from numba import njit

BLOCK_S = 0.1
GATE_BLOCKS = 4  # per gating block; consecutive ones overlap by three
MOMENTARY, SHORT_TERM = 4, 30  # blocks
OFFSET_DB = -0.691  # makes a full-scale 997 Hz sine in one channel -3.01 LUFS
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0  # LUFS, LU
SILENCE = -70.0  # LUFS; lower values are reported as this
TABLE_RATE = 48_000
# b0 b1 b2 a1 a2: tables 1 and 2
STAGES = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585),
    (1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621),
)
Audio = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]


def stages_at(rate: int) -> Numbers:
    """Return the two filters at a rate in Hz: [2, 5], b0 b1 b2 a1 a2."""
    found = []
    for b0, b1, b2, a1, a2 in STAGES:
        zeros, poles = (_map_roots(np.roots(p), rate) for p in ([b0, b1, b2], [1.0, a1, a2]))
        numerator, denominator = np.real(np.poly(zeros)), np.real(np.poly(poles))
        # keep the gain at half the rate: the bilinear transform maps infinity to -1 at every rate
        wanted = (b0 - b1 + b2) / (1.0 - a1 + a2)
        alternate = np.array([1.0, -1.0, 1.0])
        gain = wanted * (denominator @ alternate) / (numerator @ alternate)
        found.append([*(gain * numerator), *denominator[1:]])
    return np.array(found)


def _map_roots(roots: npt.NDArray[np.inexact], rate: int) -> npt.NDArray[np.inexact]:
    """Map roots from z at TABLE_RATE to s, and back to z at `rate`."""
    s = 2 * TABLE_RATE * (roots - 1) / (roots + 1)
    mapped: npt.NDArray[np.inexact] = (2 * rate + s) / (2 * rate - s)
    return mapped


@njit("void(float32[:, :], float64[:, ::1], float64[:, :, ::1], float64[:, ::1])", cache=True, nogil=True)
def _weigh(audio, stages, state, out):  # type: ignore[no-untyped-def]
    """Write K-weighted audio [C, T] to out, transposed direct form II; update state [C, 2, 2]."""
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
    """Loudness meter of one signal over its last `seconds`. One thread."""

    def __init__(self, rate: int, channels: int = 2, seconds: float = 30.0) -> None:
        self._size = round(BLOCK_S * rate)
        self._stages = stages_at(rate)
        self._state = np.zeros((channels, 2, 2))
        self._rest = np.zeros((channels, 0))
        self._powers: deque[float] = deque(maxlen=max(SHORT_TERM, round(seconds / BLOCK_S)))

    def add(self, audio: Audio) -> None:
        """Add the next samples [C, n]."""
        weighed = np.empty(audio.shape)
        _weigh(audio, self._stages, self._state, weighed)
        self._rest = np.concatenate([self._rest, weighed], axis=1)
        while self._rest.shape[1] >= self._size:
            block, self._rest = self._rest[:, : self._size], self._rest[:, self._size :]
            self._powers.append(float((block**2).mean(axis=1).sum()))

    @property
    def momentary(self) -> float:
        """Loudness of the last 400 ms in LUFS."""
        return self._over(MOMENTARY)

    @property
    def short_term(self) -> float:
        """Loudness of the last 3 s in LUFS."""
        return self._over(SHORT_TERM)

    @property
    def integrated(self) -> float:
        """Gated loudness in LUFS; SILENCE if no block passes the gates."""
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
        """Return the loudness of the last blocks in LUFS."""
        recent = list(self._powers)[-blocks:]
        return _lufs(sum(recent) / blocks) if recent else SILENCE


def _lufs(power: float) -> float:
    return max(SILENCE, OFFSET_DB + 10.0 * float(np.log10(power))) if power > 0 else SILENCE


def _power(lufs: float) -> float:
    return float(10.0 ** ((lufs - OFFSET_DB) / 10.0))
