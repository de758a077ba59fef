"""Gaussian of what a start's codes lack, and its consistency function.

The decoded spectrum is a Gaussian of mean 0, whose scale in every bin follows from the codes. For
Gaussian data the consistency function is known (the solution of the probability-flow ODE of Song et
al., arXiv 2011.13456):

    x0 = scale w,    w = x / sqrt(scale² + sigma² - sigma_min²)

It is the identity at sigma_min and noise of the right loudness at sigma_max, and keeps the loudness
when noise is added and removed again. w has variance 1 at every level in every bin and is the input
of the network; the network's output is in units of `scale` (the preconditioning of arXiv 2206.00364,
for each bin). All of it is in mid and side. Not part of the CoDiCodec paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.codicodec.config import CoDiCodecConfig
from models.codicodec.start.digit_layout import GRID, GRID_BINS
from models.codicodec.start.frame_decoder import FrameSound
from models.mid_side import mid_side

FAINT = 1e-9  # power added to that of a bin
MAX_LOG_SCALE = 4.0  # beyond full scale


@dataclass(frozen=True)
class WhitenedSpectrum:
    """Noised spectra whitened by their Gaussians.

    Mid, then side, each field [B, 4, bins, columns].
    """

    w: Tensor  # of variance 1
    noise: Tensor  # noise part of w, 0 at sigma_min
    scale: Tensor

    def estimate(self, change: Tensor | float) -> Tensor:
        """Return the consistency function of the Gaussian plus `change` in units of its scale."""
        return mid_side(self.scale * (self.w + self.noise * change))


def whiten(noised: Tensor, sigma: Tensor, sigma_min: float, log_scales: Tensor) -> WhitenedSpectrum:
    """Whiten spectra [B, 4, bins, columns] at levels sigma [B, 1, 1, 1] by Gaussians.

    `log_scales` [B, 2, bins, columns] are those of mid and side.
    """
    scale = log_scales.clamp(max=MAX_LOG_SCALE).exp().repeat_interleave(2, dim=1)
    added = (sigma.square() - sigma_min**2).clamp(min=0)
    total = torch.rsqrt(scale.square() + added)
    return WhitenedSpectrum(mid_side(noised) * total, added.sqrt() * total, scale)


def log_scales(sounds: Sequence[FrameSound], config: CoDiCodecConfig) -> Tensor:
    """Return log scales [B, 2, bins, columns] of companded spectra for the power that frames lack.

    A column's power is the mean of the grid's times that it covers, weighted by its window. Column j
    begins at time 2 j - 1 of the grid.
    """
    power = torch.from_numpy(np.stack([sound.missing for sound in sounds]))
    covered = power.transpose(2, 3) @ _column_weights(config)  # [B, 2, GRID_BINS, columns]
    bins = covered.repeat_interleave(config.bins // GRID_BINS, dim=2)
    relative = torch.log(bins + FAINT) - math.log(expanded_energy(config))
    return math.log(config.compress_scale) + config.compress_power / 2 * relative


def expanded_energy(config: CoDiCodecConfig) -> float:
    """Return the mean energy of a bin of expanded noise of variance 1 in both planes.

    That is twice a moment of the normal distribution.
    """
    root = 1 / config.compress_power
    return 2 * 2**root * math.gamma(root + 0.5) / math.sqrt(math.pi)


def _column_weights(config: CoDiCodecConfig) -> Tensor:
    """Return the weight of each time of the grid for each column, [GRID, columns].

    They turn power for each sample to power for each bin. Columns of independent noise are softer
    where two overlap, which the factor restores on average.
    """
    length = config.hop // GRID
    window = torch.hann_window(config.stft_window, periodic=True, dtype=torch.float64)
    shares = window.square().view(-1, length).sum(1)
    overlapped = window.square().view(-1, config.stft_hop).sum(0)
    factor = float(1 / (window.square().mean() * (1 / overlapped).mean()))
    weights = torch.zeros(GRID, config.columns, dtype=torch.float64)
    for column in range(config.columns):
        first = column * config.stft_hop // length - 1
        inside = [place for place in range(len(shares)) if 0 <= first + place < GRID]
        total = shares[inside].sum()
        for place in inside:
            weights[first + place, column] = shares[place] * shares.sum() / total * factor
    return weights.float()
