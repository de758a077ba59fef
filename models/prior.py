"""A Gaussian for every frame, told by its codes through one matrix: what a network need not learn.

    frame ──► low band's waveform, loudness of bands ──(analysis)──► a share of the codes
    codes ──(synthesis)──► mean of the low band, scale of every bin ──► the Gaussian's own consistency function

Below `low_bins` the spectrum is kept as it is, above only how loud it is: pitch and envelope are linear in these, so
their best few coefficients are known without training, as principal components (`fit`). For Gaussian data the function
that consistency training looks for is known too (the probability-flow ODE of Song et al., arXiv 2011.13456, solved):

    x0 = mean + scale w,    w = (x - mean) / sqrt(scale² + sigma² - sigma_min²)

It is the identity at sigma_min and noise of the right loudness at sigma_max; put back at any level and answered again
it is of that loudness still. w is of variance 1 at every level in every bin: it is what the network reads, and what the
network answers is in units of `scale` (the preconditioning of arXiv 2206.00364, each bin by its own deviation). All of
it is in middle and side. Ours; the paper has nothing like it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.config import SPECTRAL_CHANNELS, CoDiCodecConfig

SPREAD = 2.0  # deviations of a component that one unit before tanh stands for: what rounds best
EDGE = 0.96  # what a code of 1 is taken for: the mean of what rounds to it in the training data
LAST = 0.9995  # beyond any continuous code
SILENCE = 1e-6  # energy of a bin: about -120 dBFS
NARROW = -7.0  # logarithm of the low band's scale: it is its mean
WIDEST = 4.0  # logarithm of the largest scale: beyond full scale
SIDE = 0.7  # how much the side's loudness counts against the middle's in choosing components


def turned(planes: Tensor) -> Tensor:
    """Left and right [B, 4, ...] to middle and side, or back."""
    first, second = planes.chunk(2, dim=1)
    return torch.cat([first + second, first - second], dim=1) * 0.5**0.5


@dataclass(frozen=True)
class Whitened:
    """Noised spectra as their Gaussians see them: middle, then side, each [B, 4, bins, columns]."""

    w: Tensor  # what is not the mean, of variance 1
    noise: Tensor  # the part of w that is noise, 0 at sigma_min
    mean: Tensor
    scale: Tensor

    def answer(self, change: Tensor) -> Tensor:
        """The Gaussian's own consistency function, changed by [B, 4, bins, columns] in units of its scale."""
        return turned(self.mean + self.scale * (self.w + self.noise * change))


def whiten(noised: Tensor, sigma: Tensor, sigma_min: float, prior: Tensor) -> Whitened:
    """Spectra [B, 4, bins, columns] at levels sigma [B, 1, 1, 1] by Gaussians [B, 6, bins, columns].

    Of a Gaussian the mean comes first (real and imaginary part of middle, of side), then logarithms of both scales.
    """
    mean = prior[:, :SPECTRAL_CHANNELS]
    scale = prior[:, SPECTRAL_CHANNELS:].clamp(max=WIDEST).exp().repeat_interleave(2, dim=1)
    added = (sigma.square() - sigma_min**2).clamp(min=0)
    total = torch.rsqrt(scale.square() + added)
    return Whitened((turned(noised) - mean) * total, added.sqrt() * total, mean, scale)


class Prior(nn.Module):
    """Both matrices. Spectra are companded, float32."""

    def __init__(self, config: CoDiCodecConfig) -> None:
        super().__init__()
        self.config = config
        self.codes = (config.latents, len(config.levels))
        edges = band_edges(config)
        membership = torch.zeros(config.bins, config.bands, device="cpu")
        for band, (first, end) in enumerate(pairwise(edges)):
            membership[first:end, band] = 1
        self.membership: Tensor
        self.register_buffer("membership", membership, persistent=False)
        # Noise of variance 1 that is expanded has this energy in a bin: twice a moment of the normal distribution.
        root = 1 / config.compress_power
        self.energy = 2 * 2**root * math.gamma(root + 0.5) / math.sqrt(math.pi)
        values = 2 * (2 * config.low_bins + config.bands) * config.columns
        self.analysis = nn.Linear(values, math.prod(self.codes))
        self.synthesis = nn.Linear(math.prod(self.codes), values)

    def encode(self, spectrum: Tensor) -> Tensor:
        """[B, 4, bins, columns] to what is added before the bound, [B, latents, dims]."""
        return self.analysis(self.describe(spectrum).to(self.analysis.weight.dtype)).unflatten(1, self.codes)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes z or q [B, latents, dims] to the Gaussians [B, 6, bins, columns], float32."""
        config = self.config
        codes = codes.float()
        digits = torch.where(codes.abs() > LAST, codes * EDGE, codes.clamp(-LAST, LAST)).atanh().flatten(1)
        values = self.synthesis(digits.to(self.synthesis.weight.dtype)).float().unflatten(1, (2, -1, config.columns))
        low, loudness = values.split([2 * config.low_bins, config.bands], dim=2)
        mean = low.unflatten(2, (2, -1)).flatten(1, 2)  # [B, 4, low_bins, columns]
        relative = loudness.transpose(2, 3) @ self.membership.T - math.log(self.energy)  # [B, 2, columns, bins]
        scale = math.log(config.compress_scale) + config.compress_power / 2 * relative.transpose(2, 3)
        scale[:, :, : config.low_bins] = NARROW
        return torch.cat([F.pad(mean, (0, 0, 0, config.bins - config.low_bins)), scale], dim=1)

    def refine(self, prior: Tensor, finer: Tensor) -> Tensor:
        """Gaussians [B, 6, bins, columns] with [B, 2, bins, columns] added to the logarithms above the low band."""
        finer = F.pad(finer[:, :, self.config.low_bins :], (0, 0, self.config.low_bins, 0))
        return torch.cat([prior[:, :SPECTRAL_CHANNELS], prior[:, SPECTRAL_CHANNELS:] + finer], dim=1)

    def describe(self, spectrum: Tensor) -> Tensor:
        """[B, 4, bins, columns] to values [B, V]: of middle, then of side, the low band and logarithms of energies."""
        config = self.config
        middle_side = turned(spectrum.float()).unflatten(1, (2, 2))  # [B, middle | side, Re | Im, bins, columns]
        low = middle_side[:, :, :, : config.low_bins].flatten(2, 3)
        plain = spectrum.float().abs().div(config.compress_scale).pow(1 / config.compress_power).copysign(spectrum)
        energy = turned(plain).unflatten(1, (2, 2)).square().sum(2)  # [B, 2, bins, columns]
        banded = energy.transpose(2, 3) @ (self.membership / self.membership.sum(0))
        return torch.cat([low, torch.log(banded + SILENCE).transpose(2, 3)], dim=2).flatten(1)

    @torch.no_grad()
    def fit(self, spectra: Tensor, low_digits: int) -> None:
        """Set both matrices from spectra [N, 4, bins, columns].

        The first `low_digits` digits carry principal components of the low band, the others of the bands' loudness.
        """
        config, digits = self.config, math.prod(self.codes)
        values = self.describe(spectra).double().unflatten(1, (2, -1, config.columns))
        weight = torch.ones_like(values[:1])
        weight[:, 1, 2 * config.low_bins :] = SIDE
        is_low = (torch.arange(values.shape[2]) < 2 * config.low_bins)[:, None].expand(values.shape[1:])
        for matrix in self.parameters():
            matrix.zero_()
        for chosen, share in ((is_low, slice(0, low_digits)), (~is_low, slice(low_digits, digits))):
            places = chosen.flatten().nonzero()[:, 0]
            part, counts = values.flatten(1)[:, places], weight.flatten()[places, None]
            mean = torch.zeros_like(part[0]) if chosen is is_low else part.mean(0)
            spread = (part - mean) * counts[:, 0]
            power, axes = torch.linalg.eigh(spread.T @ spread / len(spread))  # ascending
            power, axes = power.flip(0).clamp(min=1e-12), axes.flip(1)[:, : share.stop - share.start]
            kept = power[: axes.shape[1]]
            scale = SPREAD * kept.sqrt()
            down, up = axes * counts / scale, axes * scale / counts
            if chosen is is_low:  # as loud as the whole of it
                up = up * (power.sum() / kept.sum()).sqrt()
            self.analysis.weight[share, places] = down.T.float()
            self.analysis.bias[share] = -(mean @ down).float()
            self.synthesis.weight[places, share] = up.float()
            self.synthesis.bias[places] = mean.float()
            if chosen is not is_low:  # what is left out of a logarithm lowers the mean energy by half its variance
                left = ((part - mean) - (spread @ axes) @ axes.T / counts[:, 0]).var(0)
                self.synthesis.bias[places] += (left / 2).float()


def band_edges(config: CoDiCodecConfig) -> list[int]:
    """Edges of `bands` bands from `low_bins` to the last bin, wider and wider as O'Shaughnessy's mel scale has it."""
    per_bin = config.sample_rate / config.stft_window
    low, high = (math.log1p(count * per_bin / 700) for count in (config.low_bins, config.bins))
    edges = [config.low_bins]
    for band in range(1, config.bands):
        place = math.expm1(low + (high - low) * band / config.bands) * 700 / per_bin
        edges.append(max(round(place), edges[-1] + 1))  # at least a bin each
    return [*edges, config.bins]
