"""Distances between two sounds, and statistics of tokens. No distance should be quoted alone.

Waveforms are float32 arrays [C, n]. SI-SDR: Le Roux et al., arXiv 1811.02508. Mel distance: DAC's
settings (arXiv 2306.06546), the mean over its seven scales. Fréchet distance: Heusel et al., arXiv
1706.08500, of any features; FAD is that of VGGish's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.codec import Audio
from models.training.losses import magnitudes
from models.training.losses import mel_distance as _mel_distance

STFT_WINDOWS = (2048, 512)


def si_sdr(reference: Audio, degraded: Audio, lags: int = 0) -> tuple[float, int]:
    """Return (decibels, lag): the scale-invariant signal-to-distortion ratio at the best lag.

    Lags of ±`lags` samples are tried. A positive lag means that `degraded` is late. The ratio is
    infinite for a scaled copy, minus infinite for silence.
    """
    best, at = -math.inf, 0
    for lag in range(-lags, lags + 1):
        a = reference[:, max(-lag, 0) : reference.shape[1] - max(lag, 0)].astype(np.float64).ravel()
        b = degraded[:, max(lag, 0) : degraded.shape[1] - max(-lag, 0)].astype(np.float64).ravel()
        a, b = a - a.mean(), b - b.mean()
        power = float(a @ a)
        if power == 0 or not b.any():
            continue
        scaled = (float(a @ b) / power) * a
        noise, signal = float(np.sum((scaled - b) ** 2)), float(scaled @ scaled)
        ratio = math.inf if noise <= 1e-14 * signal else 10 * math.log10(max(signal, 1e-30) / noise)
        if ratio > best:
            best, at = ratio, lag
    return best, at


def mel_distance(reference: Audio, degraded: Audio) -> float:
    """Return the mean over seven scales of the L1 distance of log10 mel magnitudes."""
    return float(_mel_distance(torch.from_numpy(degraded), torch.from_numpy(reference)))


def stft_distance(reference: Audio, degraded: Audio) -> float:
    """Return the L1 distance of log10 STFT magnitudes, clamped at 1e-5.

    The mean over windows of 2048 and 512.
    """
    total = 0.0
    for window in STFT_WINDOWS:
        a, b = (
            torch.log10(magnitudes(torch.from_numpy(x), window, window // 4).clamp(min=1e-5))
            for x in (reference, degraded)
        )
        total += float((a - b).abs().mean())
    return total / len(STFT_WINDOWS)


def level_difference(reference: Audio, degraded: Audio) -> float:
    """Return the RMS of `degraded` over that of `reference` in dB."""
    a, b = (float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) for x in (reference, degraded))
    return 20 * math.log10(max(b, 1e-9) / max(a, 1e-9))


def joint_roughness(audio: Audio, hop: int, first: int, width: int = 8) -> float:
    """Return the energy of the second difference near joins over that elsewhere.

    Joins are at first, first + hop, ...; both energies are means.
    """
    rough = np.square(np.diff(audio.astype(np.float64), 2, axis=-1)).mean(0)
    place = (np.arange(len(rough)) - first + width // 2) % hop
    near = place < width
    return float(rough[near].mean() / max(rough[~near].mean(), 1e-20))


def frechet_distance(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """Return the distance of Gaussians fitted to two sets of features [N, d].

    Biased where N is not far above d.
    """
    means = a.mean(0) - b.mean(0)
    covariances = [np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b)]
    values = np.linalg.eigvals(covariances[0] @ covariances[1])
    crossed = np.sqrt(np.clip(values.real, 0, None)).sum()
    return float(means @ means + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * crossed)


def digits_of(tokens: npt.NDArray[Any], levels: Sequence[int]) -> npt.NDArray[Any]:
    """Return FSQ digits [..., dims] of tokens [...], the least significant first."""
    places = np.cumprod([1, *levels[:-1]])
    return (tokens[..., None].astype(np.int64) // places) % np.array(levels)


def use_of_tokens(tokens: npt.NDArray[Any], levels: Sequence[int]) -> tuple[float, float]:
    """Return (part of the levels that occur, bits of a frame) of tokens [frames, K].

    The bits are the entropies of each digit of each latent over all frames, which an entropy coder
    of single digits would reach.
    """
    digits = digits_of(tokens, levels)  # [frames, K, dims]
    used, bits = 0, 0.0
    for dim, level in enumerate(levels):
        used += len(np.unique(digits[..., dim]))
        for latent in range(digits.shape[1]):
            share = np.bincount(digits[:, latent, dim], minlength=level) / len(digits)
            bits -= float((share[share > 0] * np.log2(share[share > 0])).sum())
    return used / sum(levels), bits


def used_levels(codes: Tensor, levels: Sequence[int]) -> float:
    """Return the part of all levels of all digits that occur in codes [..., dims] in -1 ... 1."""
    used = 0
    for dim, level in enumerate(levels):
        used += len(torch.unique(torch.round(codes[..., dim] * (level // 2))))
    return used / sum(levels)
