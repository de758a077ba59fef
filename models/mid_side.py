"""Orthonormal mid/side transform of stereo tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def mid_side(x: Tensor, dim: int = 1) -> Tensor:
    """Return left and right as mid and side, or mid and side as left and right.

    The first half of `dim` is one channel, the second half the other. The transform is its own
    inverse and keeps the energy: mid = (left + right) / sqrt(2), side = (left - right) / sqrt(2).
    """
    first, second = x.chunk(2, dim)
    return torch.cat([first + second, first - second], dim) * 0.5**0.5
