"""Noise levels of a consistency model: schedule, preconditioning, re-noising and embedding.

Karras et al., arXiv 2206.00364 (schedule, c_skip, c_out, c_in), Song et al., arXiv 2303.01469
(boundary at sigma_min), with the sizes of CoDiCodec, arXiv 2509.09836. A noised input is x = x0 +
sigma * noise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.codicodec.config import CoDiCodecConfig


def noise_level(u: float, config: CoDiCodecConfig) -> float:
    """Return the noise level sigma at u in 0 ...

    1: sigma_min at 0, sigma_max at 1 (2206.00364, eq. 5).
    """
    low, high = config.sigma_min ** (1 / config.rho), config.sigma_max ** (1 / config.rho)
    return (low + u * (high - low)) ** config.rho


def step_levels(steps: int, config: CoDiCodecConfig) -> list[float]:
    """Return the noise level of each evaluation, then sigma_min: steps + 1 falling values."""
    return [*(noise_level(1 - k / steps, config) for k in range(steps)), config.sigma_min]


def renoise(clean: Tensor, sigma: float, noise: Tensor, config: CoDiCodecConfig) -> Tensor:
    """Return a clean estimate with noise of level sigma added; unchanged at sigma_min."""
    return torch.add(clean, noise, alpha=math.sqrt(max(sigma**2 - config.sigma_min**2, 0.0)))


def precondition(sigma: Tensor, config: CoDiCodecConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Return (c_skip, c_out, c_in), each of the shape of sigma.

    estimate = c_skip * x + c_out * network(c_in * x), which is x at sigma_min.
    """
    data = config.sigma_data
    above = sigma - config.sigma_min
    total = torch.sqrt(sigma**2 + data**2)
    return data**2 / (above**2 + data**2), data * above / total, 1 / total


class NoiseEmbedding(nn.Module):
    """Embedding of a noise level: a condition vector and gains of each frequency row in and out."""

    def __init__(self, config: CoDiCodecConfig) -> None:
        super().__init__()
        width = config.noise_width
        self.rows = config.rows
        self.vector = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.gains = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2 * config.rows)
        )
        half = width // 2
        # On the CPU, also if the network is on "meta": there torch would load its compiler, in 1 s.
        frequencies = 10000.0 ** (-torch.arange(half, dtype=torch.float64, device="cpu") / (half - 1))
        self.register_buffer("frequencies", frequencies.float(), persistent=False)
        self.frequencies: Tensor

    def forward(self, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map sigma [B] to (condition [B, noise_width], gain in [B, rows], gain out [B, rows])."""
        phase = (torch.log(sigma) / 4)[:, None] * self.frequencies
        waves = torch.cat([phase.sin(), phase.cos()], dim=-1)  # [B, noise_width]
        gain_in, gain_out = (1 + self.gains(waves)).chunk(2, dim=-1)
        return self.vector(waves), gain_in, gain_out
