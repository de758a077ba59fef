"""Checkpoints of residual networks: safetensors, with the sizes as JSON in the metadata.

Nothing in such a file is ever executed. Every tensor is checked before a network is made of it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from models.residual.codec import ResidualCodec
from models.residual.network import Config, ResidualNetwork, from_json, to_json
from models.weights_io.safetensors_file import read_checkpoint, write_checkpoint
from models.weights_io.validate import validate_state

FORMAT = "verdigris-residual-1"
_FILE_NAMES = {".project_in.": ".into.", ".project_out.": ".back."}  # parts of weights' names here and in files


def read(path: Path) -> ResidualNetwork:
    """Return the network of a file of ours, float32.

    CodecError if the file does not exist, is damaged or of another format, or lacks a tensor.
    """
    metadata, state = read_checkpoint(path, FORMAT)
    return network_of(from_json(metadata["config"]), from_file_names(state), f'checkpoint "{path.name}"')


def save(network: ResidualNetwork, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a checkpoint atomically; CodecError if it cannot be written."""
    spec = json.dumps(asdict(ResidualCodec(copy.deepcopy(network)).spec))  # so that a list of codecs needs no torch
    metadata = {"format": FORMAT, "config": to_json(network.config), "spec": spec}
    weights = {name: weight.to(dtype) for name, weight in to_file_names(network.state_dict()).items()}
    write_checkpoint(path, weights, metadata)


def to_file_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's weights under the names that files use."""
    return {_replaced(name, _FILE_NAMES): weight for name, weight in state.items()}


def from_file_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a file under the network's names."""
    ours = {theirs: name for name, theirs in _FILE_NAMES.items()}
    return {_replaced(name, ours): weight for name, weight in state.items()}


def network_of(config: Config, state: Mapping[str, Tensor], what: str) -> ResidualNetwork:
    """Return a network with these weights.

    CodecError begins with `what` and names the first tensor that is missing, unknown or of another
    shape.
    """
    network = ResidualNetwork(config)
    network.load_state_dict(validate_state(state, network.state_dict(), what))
    return network


def _replaced(name: str, parts: Mapping[str, str]) -> str:
    for part, other in parts.items():
        name = name.replace(part, other)
    return name
