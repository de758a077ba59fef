"""What is done to a stretch of audio before a network sees it: the data are hours, the world is not.

Everything is drawn from the generator given, so a step's batch is a function of its number and resuming is exact.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.training.data import Pack

Batch = npt.NDArray[np.float32]  # [B, 2, samples]

MIX, FILTER, RESAMPLE, SILENCE, MONO = 0.3, 0.3, 0.3, 0.02, 0.1  # probabilities
LOUDEST, QUIETEST = -9.0, -36.0  # dBFS RMS of most items
FAINT, FAINTEST = 0.05, -66.0  # some are nearly silent


def batch(pack: Pack, rng: np.random.Generator, items: int, samples: int) -> Batch:
    """A training batch, float32 [items, 2, samples], within +-1."""
    return np.stack([item(pack, rng, samples) for _ in range(items)])


def item(pack: Pack, rng: np.random.Generator, samples: int) -> npt.NDArray[np.float32]:
    """One stretch [2, samples]: resampled, mixed, filtered, turned, set to a random level."""
    if rng.random() < SILENCE:
        return np.zeros((2, samples), np.float32)
    audio = stretch(pack, rng, samples)
    if rng.random() < MIX:
        other = stretch(pack, rng, samples)
        audio = audio + other * (level(audio) / level(other) * 10 ** rng.uniform(-0.6, 0.0))
    if rng.random() < FILTER:
        audio = shelve(audio, rng)
    if rng.random() < MONO:
        audio = np.repeat(audio.mean(0, keepdims=True), 2, axis=0)
    if rng.random() < 0.5:
        audio = audio[::-1]
    if rng.random() < 0.5:
        audio = -audio
    if rng.random() < FAINT:
        wanted = rng.uniform(FAINTEST, QUIETEST)
    else:
        wanted = rng.uniform(QUIETEST, LOUDEST)
    audio = audio * (10 ** (wanted / 20) / level(audio))
    return np.ascontiguousarray(audio / max(1.0, float(np.abs(audio).max())), np.float32)


def level(audio: npt.NDArray[np.float32]) -> float:
    """RMS, at least -80 dBFS: near silence is not to be made loud."""
    return max(float(np.sqrt(np.mean(np.square(audio)))), 1e-4)


def stretch(pack: Pack, rng: np.random.Generator, samples: int) -> npt.NDArray[np.float32]:
    """A stretch, often played up to a fourth higher or lower (linear interpolation, after reading more)."""
    if rng.random() >= RESAMPLE:
        return pack.draw(rng, samples)
    speed = 2 ** rng.uniform(-5 / 12, 5 / 12)
    given = pack.draw(rng, int(samples * speed) + 2)
    where = np.arange(samples) * speed
    at = where.astype(np.int64)
    part = (where - at).astype(np.float32)
    return given[:, at] * (1 - part) + given[:, at + 1] * part


def shelve(audio: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A random smooth response, +-9 dB at points an octave or so apart, without shift in time."""
    bins = audio.shape[1] // 2 + 1
    points = rng.uniform(-9, 9, 6)
    octave = np.log2(np.arange(bins) / bins + 1e-3)
    response = np.interp(octave, np.linspace(-8, 0, 6), points)
    return np.fft.irfft(np.fft.rfft(audio) * 10 ** (response / 20), n=audio.shape[1]).astype(np.float32)
