"""Augmentation of training audio: resampling, mixing, filtering, level and channel changes.

All random choices come from the given generator. A step's batch therefore depends on its number
alone, and resuming is exact. Whole batches are computed on the pack's device.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from models.training.data import Pack

MIX, FILTER, RESAMPLE, SILENCE, MONO = 0.3, 0.3, 0.3, 0.02, 0.1  # probabilities
MAX_PITCH_RATIO = 2 ** (5 / 12)  # a fourth
MAX_LEVEL, MIN_LEVEL = -9.0, -36.0  # dBFS RMS of most items
FAINT, MIN_FAINT_LEVEL = 0.05, -66.0  # probability of nearly silent items, and their lowest dBFS
POINTS = 6  # of a random frequency response, about an octave apart
MAX_GAIN = 9.0  # dB of a random response, in both directions


def batch(pack: Pack, rng: np.random.Generator, items: int, samples: int) -> Tensor:
    """Return a training batch, float32 [items, 2, samples] within ±1.

    Random parts of the items are resampled, mixed, filtered, made mono, swapped or inverted.
    """
    device = pack.device

    def drawn(probability: float) -> Tensor:
        return torch.from_numpy(rng.random((items, 1, 1)) < probability).to(device)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        values = rng.uniform(low, high, shape or (items, 1, 1))
        return torch.from_numpy(values.astype(np.float32)).to(device)

    audio, other = (stretches(pack, rng, items, samples) for _ in range(2))
    share = level(audio) / level(other) * 10 ** uniform(-0.6, 0.0)
    audio = audio + torch.where(drawn(MIX), share, 0) * other
    audio = torch.where(drawn(FILTER), shelve(audio, uniform(-MAX_GAIN, MAX_GAIN, items, POINTS)), audio)
    audio = torch.where(drawn(MONO), audio.mean(1, keepdim=True), audio)
    audio = torch.where(drawn(0.5), audio.flip(1), audio)
    audio = torch.where(drawn(0.5), -audio, audio)
    target = torch.where(drawn(FAINT), uniform(MIN_FAINT_LEVEL, MIN_LEVEL), uniform(MIN_LEVEL, MAX_LEVEL))
    audio = audio * (10 ** (target / 20) / level(audio))
    audio = torch.where(drawn(SILENCE), 0, audio)
    return audio / audio.abs().amax((1, 2), keepdim=True).clamp(min=1)


def level(audio: Tensor) -> Tensor:
    """Return the RMS [B, 1, 1] of audio [B, C, n], at least -80 dBFS.

    The floor keeps near silence from being amplified.
    """
    return audio.square().mean((1, 2), keepdim=True).sqrt().clamp(min=1e-4)


def stretches(pack: Pack, rng: np.random.Generator, items: int, samples: int) -> Tensor:
    """Return audio [items, 2, samples], some of it transposed by up to a fourth.

    By linear interpolation.
    """
    source = pack.draw(rng, items, int(samples * MAX_PITCH_RATIO) + 2)
    changed = rng.random((items, 1)) < RESAMPLE
    speed = np.where(changed, MAX_PITCH_RATIO ** rng.uniform(-1, 1, (items, 1)), 1.0)
    where = np.arange(samples) * speed
    at = where.astype(np.int64)
    part = torch.from_numpy((where - at).astype(np.float32)).to(pack.device)[:, None]
    index = torch.from_numpy(at).to(pack.device)[:, None].expand(-1, 2, -1)
    return source.gather(2, index) * (1 - part) + source.gather(2, index + 1) * part


def shelve(audio: Tensor, points: Tensor) -> Tensor:
    """Filter audio [B, 2, n] by smooth zero-phase responses.

    Points [B, POINTS] in dB, from low to high.
    """
    bins = audio.shape[2] // 2 + 1
    octave = torch.log2(torch.arange(bins, device=audio.device) / bins + 1e-3)
    place = ((octave + 8) / 8 * (POINTS - 1)).clamp(0, POINTS - 1)
    below = place.floor().clamp(max=POINTS - 2).long()
    part = place - below
    response = points[:, below] * (1 - part) + points[:, below + 1] * part
    gain = torch.exp(response * (math.log(10) / 20))
    return torch.fft.irfft(torch.fft.rfft(audio) * gain[:, None], n=audio.shape[2])
