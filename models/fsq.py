"""Finite scalar quantisation: each latent dimension is rounded to its own few levels.

Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", arXiv 2309.15505, appendix A.1. Codes are in units of
L//2 steps, so that they lie in [-1, 1]; the first dimension is the least significant digit of a token.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

EPSILON = 1e-3  # keeps the bound short of the outer rounding boundary


class FSQ(nn.Module):
    """The maps between unbounded values, bounded codes z, quantised codes q and tokens. Any levels, odd or even."""

    reach: Tensor
    offset: Tensor
    shift: Tensor
    steps: Tensor
    sizes: Tensor
    places: Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        reach = [(level - 1) * (1 - EPSILON) / 2 for level in levels]
        offset = [0.0 if level % 2 else 0.5 for level in levels]
        # tan as in the paper's code: where tanh is steep enough, it centres an even grid about e = 0
        shift = [math.tan(o / h) for o, h in zip(offset, reach, strict=True)]
        places = [math.prod(levels[:j]) for j in range(len(levels))]
        for name, values in {"reach": reach, "offset": offset, "shift": shift}.items():
            self.register_buffer(name, torch.tensor(values, device="cpu"), persistent=False)
        whole = {"steps": [level // 2 for level in levels], "sizes": levels, "places": places}
        for name, numbers in whole.items():
            self.register_buffer(name, torch.tensor(numbers, device="cpu"), persistent=False)

    def bound(self, values: Tensor) -> Tensor:
        """Unbounded [..., d] to continuous codes z in (-1, 1), float32; 0.999 tanh(e) where the level is odd."""
        return (torch.tanh(values.float() + self.shift) * self.reach - self.offset) / self.steps

    def quantise(self, codes: Tensor) -> Tensor:
        """Continuous codes z to the nearest codes q [..., d]; the gradient passes straight through."""
        return codes + (self.codes(self.tokens(codes)) - codes).detach()

    def tokens(self, codes: Tensor) -> Tensor:
        """Codes z or q [..., d] to tokens int32 [...]; ties round to even, values beyond the grid to its edge."""
        digits = (torch.round(codes * self.steps) + self.steps).long()
        return (digits.clamp(min=0).minimum(self.sizes - 1) * self.places).sum(-1).int()

    def codes(self, tokens: Tensor) -> Tensor:
        """Tokens [...] to codes q float32 [..., d]. Tokens must be in 0 ... cardinality - 1."""
        digits = (tokens[..., None].long() // self.places) % self.sizes
        return (digits - self.steps) / self.steps


def to_public(codes: Tensor, scale: float) -> Tensor:
    """Codes z in (-1, 1) to the unbounded latents that generative models are trained on: atanh(z) / scale."""
    return torch.atanh(codes) / scale


def from_public(latents: Tensor, scale: float) -> Tensor:
    """Inverse of `to_public`."""
    return torch.tanh(latents * scale)
