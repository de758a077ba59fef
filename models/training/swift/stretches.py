"""Stretches of sound that books are fitted to: some of each louder, narrower, panned, faster or
slower.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from models.codec import Audio
from models.training.data import RATE, Pack

SECONDS = 4  # of a stretch
SWAPPED, MONO, PANNED, RESAMPLED = 0.3, 0.15, 0.15, 0.3  # probabilities
THIRD = 2 ** (4 / 12)  # the most that pitch is changed by
QUIETEST = 18.0  # dB that the peak of a stretch is below full scale at most
FAINT = 0.003  # peak; softer stretches are not taken


def stretches(pack: Pack, seconds: int, seed: int) -> Iterator[Audio]:
    """Yield so many seconds of the pack in stretches, float32 [2, n]; a piece is drawn as often
    as it is long.
    """
    rng = np.random.default_rng([seed, 1])
    ends = np.cumsum([piece.length for _, piece in pack.pieces])
    count = 0
    while count < seconds // SECONDS:
        source, piece = pack.pieces[int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))]
        at = int(rng.random() * max(1, piece.length - SECONDS * RATE))
        pcm = source[piece.start + at : piece.start + min(at + SECONDS * RATE, piece.length)]
        audio: Audio = pcm.numpy().T.astype(np.float32) / np.float32(32768)
        if (peak := float(np.abs(audio).max())) >= FAINT:
            count += 1
            yield changed((audio / peak).astype(np.float32), rng)


def changed(audio: Audio, rng: np.random.Generator) -> Audio:
    """Return audio of peak 1 at another level; some of it also with other channels or at another
    pitch.
    """
    audio = audio * np.float32(10 ** (-QUIETEST / 20 * rng.random()))
    if rng.random() < SWAPPED:
        audio = audio[::-1]
    kind = rng.random()
    if kind < MONO:
        audio = np.repeat(audio.mean(0, keepdims=True), 2, axis=0)
    elif kind < MONO + PANNED:
        mid, side = (audio[0] + audio[1]) / 2, (audio[0] - audio[1]) / 2 * np.float32(rng.random())
        angle = rng.random() * np.pi / 2
        audio = np.stack(
            [mid * np.float32(2**0.5 * np.cos(angle)) + side, mid * np.float32(2**0.5 * np.sin(angle)) - side]
        )
    if rng.random() < RESAMPLED:
        places = np.arange(0, audio.shape[1] - 1, THIRD ** (2 * rng.random() - 1))
        left = places.astype(np.int64)
        audio = audio[:, left] + (places - left).astype(np.float32) * (audio[:, left + 1] - audio[:, left])
    return np.ascontiguousarray(audio, np.float32)
