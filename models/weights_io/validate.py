"""Validation of a checkpoint's tensors before a network loads them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.codec import CodecError


def validate_state(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
    """Return copies of the tensors in float32, those of four dimensions channels-last.

    `wanted` gives the names and shapes. Raise CodecError naming `what` and the first tensor that is
    missing, unexpected, of another shape or not finite.
    """
    if missing := sorted(set(wanted) - set(state)):
        raise CodecError(f'{what} lacks tensor "{missing[0]}" ({len(missing)} missing). Fetch or make it again.')
    if unexpected := sorted(set(state) - set(wanted)):
        raise CodecError(f'{what} has an unexpected tensor "{unexpected[0]}". It is of another model or version.')
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            raise CodecError(
                f'{what}: tensor "{name}" has shape {list(tensor.shape)}, its config says {list(wanted[name].shape)}.'
            )
        if not tensor.is_floating_point() or not tensor.sum(dtype=torch.float64).isfinite():
            raise CodecError(f'{what}: tensor "{name}" holds values that are not finite numbers. Fetch it again.')
    layout = {4: torch.channels_last}
    return {
        name: tensor.to(torch.float32, copy=True, memory_format=layout.get(tensor.dim(), torch.preserve_format))
        for name, tensor in state.items()
    }
