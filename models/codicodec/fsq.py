"""Finite scalar quantisation (FSQ): each latent dimension is rounded to a few levels.

Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", arXiv 2309.15505, appendix A.1.
Codes are divided by L // 2 steps, so that they are in [-1, 1]. The first dimension is the least
significant digit of a token.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

EPSILON = 1e-3  # keeps the bound below the outer rounding boundary


class FSQ(nn.Module):
    """Quantiser between unbounded values, bounded codes z, quantised codes q and tokens."""

    half_width: Tensor
    offset: Tensor
    shift: Tensor
    steps: Tensor
    sizes: Tensor
    places: Tensor

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        half_width = [(level - 1) * (1 - EPSILON) / 2 for level in levels]
        offset = [0.0 if level % 2 else 0.5 for level in levels]
        # tan, as in the paper's code: where tanh is steep, it centres an even grid at e = 0
        shift = [math.tan(o / h) for o, h in zip(offset, half_width, strict=True)]
        places = [math.prod(levels[:j]) for j in range(len(levels))]
        for name, values in {"half_width": half_width, "offset": offset, "shift": shift}.items():
            self.register_buffer(name, torch.tensor(values, device="cpu"), persistent=False)
        integers = {"steps": [level // 2 for level in levels], "sizes": levels, "places": places}
        for name, numbers in integers.items():
            self.register_buffer(name, torch.tensor(numbers, device="cpu"), persistent=False)

    def bound(self, values: Tensor) -> Tensor:
        """Bound values [..., d] to continuous codes z in (-1, 1), float32.

        0.999 tanh(e) for odd levels.
        """
        return (torch.tanh(values.float() + self.shift) * self.half_width - self.offset) / self.steps

    def quantise(self, codes: Tensor) -> Tensor:
        """Round continuous codes z to codes q [..., d] with a straight-through gradient."""
        return codes + (self.codes(self.tokens(codes)) - codes).detach()

    def tokens(self, codes: Tensor) -> Tensor:
        """Return the tokens int32 [...] of codes z or q [..., d].

        Ties round to even; values beyond the grid are clipped to its edge.
        """
        digits = (torch.round(codes * self.steps) + self.steps).long()
        return (digits.clamp(min=0).minimum(self.sizes - 1) * self.places).sum(-1).int()

    def codes(self, tokens: Tensor) -> Tensor:
        """Return the codes q float32 [..., d] of tokens [...], each 0 ... cardinality - 1."""
        digits = (tokens[..., None].long() // self.places) % self.sizes
        return (digits - self.steps) / self.steps


def to_public(codes: Tensor, scale: float) -> Tensor:
    """Map codes z in (-1, 1) to unbounded latents for generative models: atanh(z) / scale."""
    return torch.atanh(codes) / scale


def from_public(latents: Tensor, scale: float) -> Tensor:
    """Map latents of `to_public` back to codes z."""
    return torch.tanh(latents * scale)
