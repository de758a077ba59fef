"""Weights of CoDiCodec networks: our safetensors files, the released file, and codecs by name.

Ours is a safetensors file of tensors under this network's names, with the config as JSON in its metadata. The released
`codicodec.pt` is a pickle, of which nothing is run. Every tensor is checked before a network is made of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.codec import CodecError
from models.codicodec import CoDiCodec
from models.config import CoDiCodecConfig
from models.hub import find_official
from models.network import CoDiCodecNetwork
from models.official import from_official
from models.pickled import unpickled
from models.placement import place
from models.sliding import slid
from models.tensors import checked

FORMAT = "verdigris-codicodec-1"
WEIGHTS = Path(__file__).parent / "weights"
NANO = WEIGHTS / "nano.safetensors"
NAMES = ("nano", "codicodec", "codicodec:random")

# Training loops leave numpy scalars beside the weights: these make numbers, and are all that is allowed beyond torch's.
_NUMBERS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),  # type: ignore[attr-defined]
    (np._core.multiarray.scalar, "numpy._core.multiarray.scalar"),  # type: ignore[attr-defined]
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("float64", "float32", "float16", "int64", "int32", "bool")),
]


def config_of(name: str) -> CoDiCodecConfig | None:
    """The sizes of one of NAMES, without weights; None if the bundled one is not here, CodecError if it is damaged."""
    if name != "nano":
        return replace(CoDiCodecConfig.official(), name=name)
    if not NANO.is_file():
        return None
    try:
        with safe_open(NANO, framework="pt") as file:
            return CoDiCodecConfig.from_json(file.metadata()["config"])
    except (SafetensorError, OSError, TypeError, KeyError) as error:
        raise CodecError(f'checkpoint "{NANO.name}" is truncated or damaged. Fetch it again.') from error


def load_codec(name: str, precision: str | None = None, device: str | None = None) -> CoDiCodec:
    """The codec of a name, or of a checkpoint's path.

    "nano" is bundled; "codicodec" a local file, else the Hub's; "codicodec:random" of that size with random weights.
    Computes in float32 on the best device unless told otherwise (see `models.placement`); `reason` of the codec says
    where and why. A name that ends in ":slide=H" slides by H columns from frame to frame (`models.sliding`).
    CodecError if there is no such codec or its file is not sound.
    """
    name, slides, slide = name.partition(":slide=")
    if name == "codicodec:random":
        config = replace(CoDiCodecConfig.official(), name=name)
        network = CoDiCodecNetwork(config).randomise(0)
    elif name == "codicodec":
        network = read(find_official(WEIGHTS))
    elif name == "nano":
        if not NANO.is_file():
            raise CodecError('codec "nano" has no bundled weights in this tree yet. Pass the path of a checkpoint.')
        network = read(NANO)
    elif Path(name).suffix in (".safetensors", ".pt"):
        network = read(Path(name))
    else:
        raise CodecError(
            f'codec "{name}" is unknown ({", ".join(NAMES)}, or a file .safetensors or .pt). Pass one of these.'
        )
    codec = CoDiCodec(network, place(network, device, precision))
    return slid(codec, slide) if slides else codec


def read(path: Path) -> CoDiCodecNetwork:
    """A network from our file or the released one, float32 on the CPU."""
    if not path.is_file():
        raise CodecError(f'checkpoint "{path}" is not there. Pass the path of a .safetensors or .pt file.')
    if path.suffix == ".pt":
        return read_official(path)
    config, state = _read_ours(path)
    return network_of(config, state, f'checkpoint "{path.name}"')


def read_official(path: Path, config: CoDiCodecConfig | None = None) -> CoDiCodecNetwork:
    """A network from a file of the released layout; the sizes are the released ones unless given."""
    config = CoDiCodecConfig.official() if config is None else config
    if not path.is_file():
        raise CodecError(f'checkpoint "{path}" is not there. Pass the path of a released .pt file.')
    held = unpickled(path, _NUMBERS)
    state = held.get("gen_state_dict") if isinstance(held, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CodecError(
            f'checkpoint "{path.name}" has no tensors under "gen_state_dict": it is not a file of CoDiCodec. '
            "Pass the released one."
        )
    with torch.device("meta"):
        wanted = CoDiCodecNetwork(config).state_dict()
    return network_of(config, from_official(state, wanted, config), f'checkpoint "{path.name}"')


def save(network: CoDiCodecNetwork, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a checkpoint of ours; a half-written one never has the name `path`. CodecError if it cannot be written."""
    tensors = {name: weight.detach().cpu().to(dtype).contiguous() for name, weight in network.state_dict().items()}
    partial = path.with_name(path.name + ".partial")
    try:
        save_file(tensors, partial, metadata={"format": FORMAT, "config": network.config.to_json()})
        partial.replace(path)
    except (SafetensorError, OSError) as error:
        partial.unlink(missing_ok=True)
        raise CodecError(f"{path}: could not be written ({error}). Free some space, or pass another place.") from error


def convert(source: Path, destination: Path) -> None:
    """The released file to ours. The weights stay under their licence (CC BY-NC 4.0)."""
    save(read_official(source), destination)


def network_of(config: CoDiCodecConfig, state: Mapping[str, Tensor], what: str) -> CoDiCodecNetwork:
    """A network with these weights; CodecError names the first tensor that is not as it should be."""
    with torch.device("meta"):  # no values that are not to stay
        network = CoDiCodecNetwork(config)
    network.load_state_dict(checked(state, network.state_dict(), what), assign=True)
    return network


def _read_ours(path: Path) -> tuple[CoDiCodecConfig, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        cut = _first_cut_tensor(path)
        where = f' in tensor "{cut}"' if cut else ""
        raise CodecError(f'checkpoint "{path.name}" is truncated or damaged{where}. Fetch it again.') from error
    if metadata.get("format") != FORMAT or "config" not in metadata:
        raise CodecError(
            f'checkpoint "{path.name}" is of format "{metadata.get("format")}", this version reads "{FORMAT}". '
            "Released files are converted with: verdigris convert codicodec.pt OUT.safetensors"
        )
    return CoDiCodecConfig.from_json(metadata["config"]), state


def _first_cut_tensor(path: Path) -> str | None:
    """The first tensor that lies beyond the end of a truncated safetensors file, if its header can be read."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")  # of the JSON header that follows
        try:
            header = json.loads(file.read(min(size, 100_000_000)))
            ends = {name: 8 + size + info["data_offsets"][1] for name, info in header.items() if name != "__metadata__"}
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return None
    cut = [(end, name) for name, end in ends.items() if end > path.stat().st_size]
    return min(cut)[1] if cut else None
