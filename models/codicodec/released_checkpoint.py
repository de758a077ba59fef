"""Mapping of the released CoDiCodec checkpoint to our tensor names.

The released file has 546 tensors: ours under other names, constants (averaging kernels, FSQ levels)
that must have the values of this network, and 14 that inference does not read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from models.codec import CodecError
from models.codicodec.config import SPECTRAL_CHANNELS, CoDiCodecConfig
from models.codicodec.conv_stacks import Downsample, Upsample
from models.codicodec.network import CoDiCodecNetwork

# Our name, or its start, to the released one; the first rule that matches is applied, then all of
# _PARTS.
_NAMES = (
    (r"^summaries$", "latents"),
    (r"^row_masks$", "mask_embedding"),
    (r"^encoder_gain$", "gain_encoder"),
    (r"^encoder_registers$", "more_latents_encoder"),
    (r"^expander_registers$", "more_latents_pre_decoder"),
    (r"^denoiser_registers$", "more_latents_decoder"),
    (r"^encoder_norm_out\b", "encoder.norm_output"),
    (r"^denoiser_norm_out\b", "decoder.norm_output"),
    (r"^to_codes\b", "encoder.linear_output"),
    (r"^expander_from_codes\b", "lat2patch_pre_decoder"),
    (r"^denoiser_from_codes\b", "lat2patch"),
    (r"^noise\.vector\b", "emb_proj"),
    (r"^noise\.gains\b", "gain_decoder"),
    (r"^encoder_stack\.layers\b", "frontend_encoder_down.down_layers"),
    (r"^encoder_stack\b", "frontend_encoder_down"),
    (r"^expander_stack\.layers\b", "frontend_pre_decoder_up.up_layers"),
    (r"^expander_stack\b", "frontend_pre_decoder_up"),
    (r"^denoiser_in\.layers\b", "frontend_decoder_down.down_layers"),
    (r"^denoiser_in\b", "frontend_decoder_down"),
    (r"^denoiser_out\.layers\b", "frontend_decoder_up.up_layers"),
    (r"^denoiser_out\b", "frontend_decoder_up"),
    (r"^expander\b", "pre_decoder"),
    (r"^denoiser\b", "decoder"),
    (r"^encoder\b", "encoder"),
)
_PARTS = (
    (r"\.positions$", ".pe"),
    (r"\.norm_in\b", ".norm_input"),
    (r"\.attention\.(qkv|out)\.", r".attn.mha.to_\1."),
    (r"\.attention\.query_gain$", ".attn.mha.q_norm.g"),
    (r"\.attention\.key_gain$", ".attn.mha.k_norm.g"),
    (r"\.attention\.norm\b", ".attn.norm"),
    (r"\.mlp\.widen\.", ".mlp.ff.to_mlp."),
    (r"\.mlp\.narrow\.", ".mlp.ff.to_out."),
    (r"\.conv1\.", ".ff.ff1."),
    (r"\.conv2\.", ".ff.ff2."),
    (r"\.conv\.", ".c."),
    (r"\.stem\.", ".conv_inp."),
    (r"\.head\.", ".conv_out."),
    (r"\.project\.", ".cond_proj."),
    (r"(_layers\.\d+\.norm)\.gain$", r"\1.weight"),  # group norms
    (r"\.gain$", ".norm.g"),  # layer norms
)
_NEVER_READ = re.compile(
    r"^(encoder\.linear_input|pre_decoder\.(linear_input|norm_output|linear_output)"
    r"|decoder\.(linear_input|linear_output)|frontend_pre_decoder_up\.(norm_out|conv_out))\."
)
_UNREAD_LINEARS = (
    "encoder.linear_input",
    "pre_decoder.linear_input",
    "pre_decoder.linear_output",
    "decoder.linear_input",
    "decoder.linear_output",
)
_KERNEL = re.compile(r"^frontend_\w+\.(down|up)_layers\.\d+\.(down|up)\.weight$")


def official_name(name: str) -> str:
    """Return the name in the released checkpoint of one of our tensors."""
    for pattern, theirs in _NAMES:
        name, found = re.subn(pattern, theirs, name)
        if found:
            break
    for pattern, theirs in _PARTS:
        name = re.sub(pattern, theirs, name)
    return name


def official_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape in the released checkpoint of our tensor `name` of a shape."""
    if name == "row_masks":
        return (1, shape[0], 1, shape[1])
    if name == "encoder_gain":
        return (1, 1, shape[0], 1)
    if name == "summaries" or name.endswith("_registers"):
        return (1, *shape)
    if name.endswith(".positions"):
        return (1, shape[0] * shape[1], shape[2])
    return shape


def to_official(network: CoDiCodecNetwork) -> dict[str, Tensor]:
    """Return a network's weights and constants under the released names and shapes.

    Tensors that inference does not read are zero.
    """
    config = network.config
    width, finest = config.width, config.channels[0]
    state = {
        official_name(name): weight.detach().clone().reshape(official_shape(name, tuple(weight.shape)))
        for name, weight in network.state_dict().items()
    }
    for name, layer in network.named_modules():
        if isinstance(layer, Downsample | Upsample):
            kind, value = (
                ("down", 1 / math.prod(layer.stride)) if isinstance(layer, Downsample) else ("up", 1 / layer.repeats)
            )
            kernel = torch.full((layer.conv.weight.shape[0], 1, *layer.stride), value)
            state[official_name(f"{name}.{kind}.weight")] = kernel
    for name in _UNREAD_LINEARS:
        state |= {f"{name}.weight": torch.zeros(width, width), f"{name}.bias": torch.zeros(width)}
    return state | {
        "pre_decoder.norm_output.norm.g": torch.zeros(width),
        "frontend_pre_decoder_up.norm_out.weight": torch.zeros(finest),
        "frontend_pre_decoder_up.conv_out.weight": torch.zeros(SPECTRAL_CHANNELS, finest, 3, 3),
        "frontend_pre_decoder_up.conv_out.bias": torch.zeros(SPECTRAL_CHANNELS),
        "fsq._levels_tensor": torch.tensor(config.levels),
        "fsq._basis_tensor": _fsq_place_values(config),
    }


def _fsq_place_values(config: CoDiCodecConfig) -> Tensor:
    return torch.tensor([math.prod(config.levels[:j]) for j in range(len(config.levels))])


def from_official(
    given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], config: CoDiCodecConfig
) -> dict[str, Tensor]:
    """Return the weights of a released checkpoint under our names.

    `wanted` is a state of our network, for its shapes. Raise CodecError naming the tensor that is
    missing, unexpected, of another shape, or a constant of another value.
    """
    found: dict[str, Tensor] = {}
    rest = dict(given)
    for name, ours in wanted.items():
        theirs = official_name(name)
        if theirs not in rest:
            raise CodecError(f'official checkpoint lacks tensor "{theirs}". Fetch it again, or pass another file.')
        tensor = rest.pop(theirs)
        expected = official_shape(name, tuple(ours.shape))
        if tuple(tensor.shape) != expected:
            raise CodecError(
                f'official checkpoint: tensor "{theirs}" has shape {list(tensor.shape)}, expected {list(expected)}.'
            )
        found[name] = tensor.reshape(ours.shape).float()
    for theirs, tensor in rest.items():
        _check_unread(theirs, tensor, config)
    return found


def _check_unread(name: str, tensor: Tensor, config: CoDiCodecConfig) -> None:
    if _NEVER_READ.match(name):
        return
    if name == "fsq._levels_tensor":
        expected = torch.tensor(config.levels)
    elif name == "fsq._basis_tensor":
        expected = _fsq_place_values(config)
    elif kernel := _KERNEL.match(name):
        size = tensor[0].numel()
        wide, narrow = tensor.shape[0], _narrower(tensor.shape[0], config)
        value = 1 / size if kernel[2] == "down" else narrow / wide
        expected = torch.full(tensor.shape, value)
    else:
        raise CodecError(f'official checkpoint has an unexpected tensor "{name}". This is another model.')
    if tensor.shape != expected.shape or not torch.equal(tensor.to(expected.dtype), expected):
        raise CodecError(f'official checkpoint: constant "{name}" has another value than in this network.')


def _narrower(wide: int, config: CoDiCodecConfig) -> int:
    return config.channels[max(config.channels.index(wide) - 1, 0)] if wide in config.channels else wide
