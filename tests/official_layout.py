"""A checkpoint of the released layout, made from random weights: the real one cannot be had in tests."""

from __future__ import annotations

import torch
from torch import Tensor

from models.config import CoDiCodecConfig
from models.convstack import Fold, Unfold
from models.network import CoDiCodecNetwork
from models.official import official_name, official_shape


def official_state(network: CoDiCodecNetwork) -> dict[str, Tensor]:
    """This network's weights under the released names, with the constants and the tensors nobody reads."""
    config = network.config
    state = {
        official_name(name): weight.detach().clone().reshape(official_shape(name, tuple(weight.shape)))
        for name, weight in network.state_dict().items()
    }
    for name, layer in network.named_modules():
        if isinstance(layer, Fold | Unfold):
            count, taps = layer.conv.weight.shape[0], layer.conv.kernel_size
            value = 1 / (taps[0] * taps[1]) if isinstance(layer, Fold) else 1 / layer.repeats
            kind = "down" if isinstance(layer, Fold) else "up"
            state[f"{official_name(name + '.x')[:-2]}.{kind}.weight"] = torch.full((count, 1, *taps), value)
    return state | unread_tensors(config) | _fsq_buffers(config)


def unread_tensors(config: CoDiCodecConfig) -> dict[str, Tensor]:
    width, finest = config.width, config.channels[0]
    shapes: dict[str, tuple[int, ...]] = {"pre_decoder.norm_output.norm.g": (width,)}
    for name in ("encoder.linear_input", "pre_decoder.linear_input", "pre_decoder.linear_output", "decoder.linear_input", "decoder.linear_output"):  # fmt: skip
        shapes |= {f"{name}.weight": (width, width), f"{name}.bias": (width,)}
    shapes |= {
        "frontend_pre_decoder_up.norm_out.weight": (finest,),
        "frontend_pre_decoder_up.conv_out.weight": (4, finest, 3, 3),
        "frontend_pre_decoder_up.conv_out.bias": (4,),
    }
    return {name: torch.full(shape, 7.0) for name, shape in shapes.items()}


def _fsq_buffers(config: CoDiCodecConfig) -> dict[str, Tensor]:
    base = config.levels[0]
    return {
        "fsq._levels_tensor": torch.tensor(config.levels),
        "fsq._basis_tensor": torch.tensor([base**j for j in range(len(config.levels))]),
    }
