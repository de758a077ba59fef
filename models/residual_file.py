"""Weights of residual networks in files of ours: safetensors, with the sizes as JSON in the metadata.

Nothing in such a file is ever run. Every tensor is checked before a network is made of it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.codec import CodecError
from models.residual import Config, ResidualCodec, ResidualNetwork, from_json, to_json
from models.tensors import checked

FORMAT = "verdigris-residual-1"


def read(path: Path) -> ResidualNetwork:
    """A network from a file of ours, float32."""
    if not path.is_file():
        raise CodecError(f'checkpoint "{path}" is not there. Pass the path of a .safetensors file.')
    metadata = metadata_of(path)
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CodecError(f'checkpoint "{path.name}" is truncated or damaged. Fetch it again.') from error
    if metadata.get("format") != FORMAT or "config" not in metadata:
        raise CodecError(
            f'checkpoint "{path.name}" is of format "{metadata.get("format")}", this version reads "{FORMAT}".'
        )
    return network_of(from_json(metadata["config"]), state, f'checkpoint "{path.name}"')


def metadata_of(path: Path) -> dict[str, str]:
    """What a safetensors file says of itself; CodecError if it is none."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CodecError(f'checkpoint "{path.name}" is truncated or damaged. Fetch it again.') from error


def save(network: ResidualNetwork, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a checkpoint; a half-written one never has the name `path`."""
    tensors = {name: weight.detach().cpu().to(dtype).contiguous() for name, weight in network.state_dict().items()}
    partial = path.with_name(path.name + ".partial")
    spec = json.dumps(asdict(ResidualCodec(copy.deepcopy(network)).spec))  # so that a list needs no torch
    save_file(tensors, partial, metadata={"format": FORMAT, "config": to_json(network.config), "spec": spec})
    partial.replace(path)


def network_of(config: Config, state: Mapping[str, Tensor], what: str) -> ResidualNetwork:
    """A network with these weights; CodecError names the first tensor that is not as it should be."""
    network = ResidualNetwork(config)
    network.load_state_dict(checked(state, network.state_dict(), what))
    return network
