"""Checkpoints of CoDiCodec networks: our safetensors files, the released file, and codecs by name.

Our format is a safetensors file of tensors under this network's names, with the config as JSON in
its metadata. The released `codicodec.pt` is a pickle, of which nothing is run. Every tensor is
validated before a network loads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from models.codec import CodecError
from models.codicodec.codec import CoDiCodec
from models.codicodec.config import CoDiCodecConfig
from models.codicodec.device import place_network
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.overlapped_decode import with_hop
from models.codicodec.released_checkpoint import from_official
from models.codicodec.start.start_weights import PREFIX, weights_of
from models.openmp import one_torch_thread
from models.weights_io.releases import BUNDLED, find
from models.weights_io.safe_unpickle import load_checkpoint_safely
from models.weights_io.safetensors_file import read_checkpoint, read_metadata, write_checkpoint
from models.weights_io.validate import validate_state

FORMAT = "verdigris-codicodec-1"
CONVERT_HINT = " Released files are converted with: verdigris convert codicodec.pt OUT.safetensors"
NANO = BUNDLED / "nano.safetensors"
NAMES = ("nano", "codicodec", "codicodec:random")


def config_of(name: str) -> CoDiCodecConfig | None:
    """Return the sizes of one of NAMES without reading weights.

    Return None if the bundled checkpoint is missing. Raise CodecError if it is damaged.
    """
    if name != "nano":
        return replace(CoDiCodecConfig.official(), name=name)
    if not NANO.is_file():
        return None
    return CoDiCodecConfig.from_json(read_metadata(NANO).get("config", ""))


def load_codec(name: str, precision: str | None = None, device: str | None = None) -> CoDiCodec:
    """Return the codec of a name or a checkpoint's path.

    "nano" is bundled; "codicodec" is a local file or downloaded; "codicodec:random" has that size
    and random weights. A name that ends in ":slide=H" decodes overlapping frames, H STFT columns
    apart (`models.codicodec.overlapped_decode`). `precision` and `device` are those of
    `models.codicodec.device.place_network`: float32 on the best device by default; the codec's
    `reason` names the choice and its reason. Raise CodecError if there is no such codec or its file
    is damaged.
    """
    name, slides, slide = name.partition(":slide=")
    if name == "codicodec:random":
        config = replace(CoDiCodecConfig.official(), name=name)
        network = CoDiCodecNetwork(config).randomise(0)
    elif name == "codicodec":
        network = read(find("codicodec")[0])
    elif name == "nano":
        if not NANO.is_file():
            raise CodecError('codec "nano" has no bundled weights in this installation. Pass the path of a checkpoint.')
        network = read(NANO)
    elif Path(name).suffix in (".safetensors", ".pt"):
        network = read(Path(name))
    else:
        raise CodecError(
            f'codec "{name}" is unknown ({", ".join(NAMES)}, or a file .safetensors or .pt). Pass one of these.'
        )
    codec = CoDiCodec(network, place_network(network, device, precision))
    return with_hop(codec, slide) if slides else codec


def read(path: Path) -> CoDiCodecNetwork:
    """Return the network of a checkpoint, ours (.safetensors) or the released one (.pt).

    Weights are float32 on the CPU.
    """
    if not path.is_file():
        raise CodecError(f'checkpoint "{path}" does not exist. Pass the path of a .safetensors or .pt file.')
    if path.suffix == ".pt":
        return read_official(path)
    metadata, state = read_checkpoint(path, FORMAT, CONVERT_HINT)
    return network_of(CoDiCodecConfig.from_json(metadata["config"]), state, f'checkpoint "{path.name}"')


def read_official(path: Path, config: CoDiCodecConfig | None = None) -> CoDiCodecNetwork:
    """Return the network of a file in the released layout.

    The sizes default to the released ones.
    """
    config = CoDiCodecConfig.official() if config is None else config
    if not path.is_file():
        raise CodecError(f'checkpoint "{path}" does not exist. Pass the path of a released .pt file.')
    held = load_checkpoint_safely(path)
    state = held.get("gen_state_dict") if isinstance(held, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CodecError(
            f'checkpoint "{path.name}" has no tensors under "gen_state_dict": it is not a checkpoint of CoDiCodec. '
            "Pass the released one."
        )
    with torch.device("meta"):
        wanted = CoDiCodecNetwork(config).state_dict()
    return network_of(config, from_official(state, wanted, config), f'checkpoint "{path.name}"')


def save(network: CoDiCodecNetwork, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a checkpoint in our format, atomically; CodecError if it cannot be written."""
    tensors = {name: weight.to(dtype) for name, weight in network.state_dict().items()}
    if network.start is not None:
        tensors |= network.start.tensors
    write_checkpoint(path, tensors, {"format": FORMAT, "config": network.config.to_json()})


def convert(source: Path, destination: Path) -> None:
    """Convert the released file to our format.

    The weights stay under their licence (CC BY-NC 4.0).
    """
    save(read_official(source), destination)


@one_torch_thread()
def network_of(config: CoDiCodecConfig, state: Mapping[str, Tensor], what: str) -> CoDiCodecNetwork:
    """Return a network with the given weights.

    CodecError names the first tensor that does not fit.
    """
    with torch.device("meta"):  # allocates no memory for values that are replaced
        network = CoDiCodecNetwork(config)
    if config.start:
        network.start = weights_of(state, what)
        if network.start.digest != config.start:
            raise CodecError(f"{what} is damaged: its start does not match its digest. Fetch it again.")
    weights = {name: tensor for name, tensor in state.items() if not (config.start and name.startswith(PREFIX))}
    network.load_state_dict(validate_state(weights, network.state_dict(), what), assign=True)
    return network
