"""Numbers that say how near one sound is to another. None of them is quoted alone.

Waveforms are float32 arrays [C, n]. SI-SDR: Le Roux et al., arXiv 1811.02508. Mel distance: DAC's settings (arXiv
2306.06546), the mean over its seven scales. Frechet distance: Heusel et al., arXiv 1706.08500, on any embedding; it is
called FAD only where that is VGGish or CLAP.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from models.codec import Audio
from models.training.losses import magnitudes
from models.training.losses import mel_distance as _mel_distance

STFT_WINDOWS = (2048, 512)


def si_sdr(reference: Audio, degraded: Audio, lags: int = 0) -> tuple[float, int]:
    """(decibels, lag): scale-invariant ratio of signal to distortion at the best lag of +-`lags` samples.

    Positive lag: `degraded` is late. Infinite for a scaled copy, minus infinite for silence.
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
    """Mean over seven scales of the L1 of log10 mel magnitudes."""
    return float(_mel_distance(torch.from_numpy(degraded), torch.from_numpy(reference)))


def stft_distance(reference: Audio, degraded: Audio) -> float:
    """Mean over windows 2048 and 512 of the L1 of log10 magnitudes, clamped at 1e-5, hop a quarter."""
    total = 0.0
    for window in STFT_WINDOWS:
        a, b = (
            torch.log10(magnitudes(torch.from_numpy(x), window, window // 4).clamp(min=1e-5))
            for x in (reference, degraded)
        )
        total += float((a - b).abs().mean())
    return total / len(STFT_WINDOWS)


def level_difference(reference: Audio, degraded: Audio) -> float:
    """RMS of degraded over that of reference, decibels."""
    a, b = (float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) for x in (reference, degraded))
    return 20 * math.log10(max(b, 1e-9) / max(a, 1e-9))


def joint_roughness(audio: Audio, hop: int, first: int, width: int = 8) -> float:
    """Mean energy of the second difference near frame joins (first, first + hop, ...) over that elsewhere."""
    rough = np.square(np.diff(audio.astype(np.float64), 2, axis=-1)).mean(0)
    place = (np.arange(len(rough)) - first + width // 2) % hop
    near = place < width
    return float(rough[near].mean() / max(rough[~near].mean(), 1e-20))


def frechet_distance(a: npt.NDArray, b: npt.NDArray) -> float:
    """Between Gaussians fitted to two sets of embeddings [N, d]; biased where N is not far above d."""
    means = a.mean(0) - b.mean(0)
    covariances = [np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b)]
    values = np.linalg.eigvals(covariances[0] @ covariances[1])
    crossed = np.sqrt(np.clip(values.real, 0, None)).sum()
    return float(means @ means + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * crossed)


def digits_of(tokens: npt.NDArray, levels: Sequence[int]) -> npt.NDArray:
    """Tokens [...] to FSQ digits [..., dims], the first the least significant."""
    places = np.cumprod([1, *levels[:-1]])
    return (tokens[..., None].astype(np.int64) // places) % np.array(levels)


def use_of_tokens(tokens: npt.NDArray, levels: Sequence[int]) -> tuple[float, float]:
    """(part of the levels that occur, bits of a frame by the entropies of its digits) of tokens [frames, K].

    The entropy is of each digit of each latent on its own, over all frames: what a coder of digits could reach.
    """
    digits = digits_of(tokens, levels)  # [frames, K, dims]
    used, bits = 0, 0.0
    for dim, level in enumerate(levels):
        used += len(np.unique(digits[..., dim]))
        for latent in range(digits.shape[1]):
            share = np.bincount(digits[:, latent, dim], minlength=level) / len(digits)
            bits -= float((share[share > 0] * np.log2(share[share > 0])).sum())
    return used / sum(levels), bits
