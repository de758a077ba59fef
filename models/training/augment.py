"""What is done to stretches of audio before a network sees them: the data are hours, the world is not.

What is drawn comes from the generator given, so a step's batch is a function of its number and resuming is exact; the
work is done a batch at a time where the pack lies, on a GPU too.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from models.training.data import Pack

MIX, FILTER, RESAMPLE, SILENCE, MONO = 0.3, 0.3, 0.3, 0.02, 0.1  # probabilities
FOURTH = 2 ** (5 / 12)  # the most that pitch is changed by
LOUDEST, QUIETEST = -9.0, -36.0  # dBFS RMS of most items
FAINT, FAINTEST = 0.05, -66.0  # some are nearly silent
POINTS = 6  # of a random response, an octave or so apart
BOOST = 9.0  # dB, at most, either way


def batch(pack: Pack, rng: np.random.Generator, items: int, samples: int) -> Tensor:
    """A training batch, float32 [items, 2, samples], within +-1; resampled, mixed, filtered, turned, some of each."""
    device = pack.device

    def drawn(probability: float) -> Tensor:
        return torch.from_numpy(rng.random((items, 1, 1)) < probability).to(device)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        values = rng.uniform(low, high, shape or (items, 1, 1))
        return torch.from_numpy(values.astype(np.float32)).to(device)

    audio, other = (stretches(pack, rng, items, samples) for _ in range(2))
    share = level(audio) / level(other) * 10 ** uniform(-0.6, 0.0)
    audio = audio + torch.where(drawn(MIX), share, 0) * other
    audio = torch.where(drawn(FILTER), shelve(audio, uniform(-BOOST, BOOST, items, POINTS)), audio)
    audio = torch.where(drawn(MONO), audio.mean(1, keepdim=True), audio)
    audio = torch.where(drawn(0.5), audio.flip(1), audio)
    audio = torch.where(drawn(0.5), -audio, audio)
    wanted = torch.where(drawn(FAINT), uniform(FAINTEST, QUIETEST), uniform(QUIETEST, LOUDEST))
    audio = audio * (10 ** (wanted / 20) / level(audio))
    audio = torch.where(drawn(SILENCE), 0, audio)
    return audio / audio.abs().amax((1, 2), keepdim=True).clamp(min=1)


def level(audio: Tensor) -> Tensor:
    """RMS [B, 1, 1], at least -80 dBFS: near silence is not to be made loud."""
    return audio.square().mean((1, 2), keepdim=True).sqrt().clamp(min=1e-4)


def stretches(pack: Pack, rng: np.random.Generator, items: int, samples: int) -> Tensor:
    """[items, 2, samples]; some played up to a fourth higher or lower (linear interpolation, after reading more)."""
    given = pack.draw(rng, items, int(samples * FOURTH) + 2)
    changed = rng.random((items, 1)) < RESAMPLE
    speed = np.where(changed, FOURTH ** rng.uniform(-1, 1, (items, 1)), 1.0)
    where = np.arange(samples) * speed
    at = where.astype(np.int64)
    part = torch.from_numpy((where - at).astype(np.float32)).to(pack.device)[:, None]
    index = torch.from_numpy(at).to(pack.device)[:, None].expand(-1, 2, -1)
    return given.gather(2, index) * (1 - part) + given.gather(2, index + 1) * part


def shelve(audio: Tensor, points: Tensor) -> Tensor:
    """[B, 2, n] through smooth responses without shift in time; points [B, POINTS] in dB, from low to high."""
    bins = audio.shape[2] // 2 + 1
    octave = torch.log2(torch.arange(bins, device=audio.device) / bins + 1e-3)
    place = ((octave + 8) / 8 * (POINTS - 1)).clamp(0, POINTS - 1)
    below = place.floor().clamp(max=POINTS - 2).long()
    part = place - below
    response = points[:, below] * (1 - part) + points[:, below + 1] * part
    gain = torch.exp(response * (math.log(10) / 20))
    return torch.fft.irfft(torch.fft.rfft(audio) * gain[:, None], n=audio.shape[2])
