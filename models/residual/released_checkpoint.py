"""Reader of the released EnCodec, DAC and Mimi checkpoints: renames their tensors to ours and checks
each.

    encodec_24khz-….th, encodec_48khz-….th    the tensors themselves
    weights_44khz_8kbps_….pth and the like    {"state_dict": tensors, "metadata": {"kwargs": sizes}}
    model.safetensors of the Hub              EnCodec's, DAC's and Mimi's, in the layout of Hugging Face's transformers

Nothing in a pickle is executed. Convolutions under weight norm are stored as direction and length,
which are multiplied here. Tensors that inference does not read are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from models.codec import CodecError
from models.residual.checkpoint import network_of
from models.residual.network import ResidualNetwork
from models.residual.released_sizes import family_of, found_sizes
from models.weights_io.safe_unpickle import load_checkpoint_safely
from models.weights_io.validate import validate_state

# Patterns of their names, and our replacements; all rules are applied, in order.
_ENCODEC = (
    (r"^(encoder|decoder)\.(?:model|layers)\.", r"\1."),
    (r"\.(?:conv|convtr)\.(?:conv|convtr)\.", "."),
    (r"\.(?:conv|convtr)\.norm\.", ".norm."),
    (r"\.conv\.(weight|bias|parametrizations)", r".\1"),  # the Hub's
    (r"^quantizer\.(?:vq\.)?layers\.(\d+)\._?codebook\.embed$", r"quantiser.stages.\1.book.entries"),
)
_DAC = (
    (r"^(encoder|decoder)\.(?:block|model)\.(\d+)\.block\.(\d+)\.", r"\1.\2.\3."),
    (r"^(encoder|decoder)\.(?:block|model)\.(\d+)\.", r"\1.\2."),
    (r"^quantizer\.quantizers\.(\d+)\.in_proj\.", r"quantiser.stages.\1.project_in."),
    (r"^quantizer\.quantizers\.(\d+)\.out_proj\.", r"quantiser.stages.\1.project_out."),
    (r"^quantizer\.quantizers\.(\d+)\.codebook\.weight", r"quantiser.stages.\1.book.entries"),
)
_MIMI = (
    (r"^encoder\.(?:encoder_seanet\.)?layers\.", "encoder.0."),
    (r"^(?:encoder\.)?encoder_transformer\.layers\.", "encoder.1.blocks."),
    (r"^(?:encoder\.)?downsample\.conv\.", "encoder.2."),
    (r"^(?:decoder\.)?upsample\.conv\.", "decoder.0."),
    (r"^(?:decoder\.)?decoder_transformer\.layers\.", "decoder.1.blocks."),
    (r"^decoder\.(?:decoder_seanet\.)?layers\.", "decoder.2."),
    (r"\.conv\.(weight|bias)$", r".\1"),
    (r"\.input_layernorm\.", ".attention_norm."),
    (r"\.post_attention_layernorm\.", ".products_norm."),
    (r"\.self_attn\.q_proj\.", ".query."),
    (r"\.self_attn\.k_proj\.", ".key."),
    (r"\.self_attn\.v_proj\.", ".value."),
    (r"\.self_attn\.o_proj\.", ".output."),
    (r"\.mlp\.fc1\.", ".widen."),
    (r"\.mlp\.fc2\.", ".narrow."),
    (r"\.self_attn_layer_scale\.scale$", ".attention_scale"),
    (r"\.mlp_layer_scale\.scale$", ".products_scale"),
    (r"^quantizer\.(semantic|acoustic)_residual_vector_quantizer\.input_proj\.", r"quantiser.\1_in."),
    (r"^quantizer\.(semantic|acoustic)_residual_vector_quantizer\.output_proj\.", r"quantiser.\1_out."),
    (r"^quantizer\.semantic_residual_vector_quantizer\.layers\.0\.codebook\.embed$", "quantiser.stages.0.book.entries"),
    (r"^quantizer\.acoustic_residual_vector_quantizer\.layers\.(\d+)\.codebook\.embed$", r"quantiser.acoustic.\1"),
)
_UNIT = {"snake1": "block.0", "conv1": "block.1", "snake2": "block.2", "conv2": "block.3"}
_UNREAD = re.compile(r"(inited|initialized|cluster_size|embed_avg)$")
MIN_USAGE = 1e-5  # of an entry that Mimi stores as a sum and a count
_PAIRS = {  # weight norm's length and direction, under both of torch's names
    ".weight_g": ".weight_v",
    ".parametrizations.weight.original0": ".parametrizations.weight.original1",
}


def read_official(path: Path, family: str = "") -> ResidualNetwork:
    """Return the network of a released file, whose tensors determine its sizes.

    CodecError if the file does not exist or is damaged, or if its sizes are not those of `family`
    (empty: any).
    """
    if not path.is_file():
        raise CodecError(f'checkpoint "{path}" does not exist. Pass the path of a released file.')
    what = f'checkpoint "{path.name}"'
    tensors, metadata = _contents(path, what)
    state = renamed(_divided(_multiplied_out(tensors)), _rules(tensors))
    config = found_sizes(state, metadata, what)
    if family and family_of(config) != family:
        raise CodecError(
            f"{what} is of {family_of(config) or 'sizes that were not released'}, not of {family}. "
            f"Pass its path as the codec, or remove it from the places where {family} is looked for."
        )
    with torch.device("meta"):  # shapes alone: a file with one size that is wrong must not fill the memory
        validate_state(state, ResidualNetwork(config).state_dict(), what)
    return network_of(config, state, what)


def renamed(state: Mapping[str, Tensor], rules: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    """Return the tensors under our names, without those that inference does not read."""
    found = {}
    for name, tensor in state.items():
        if not _UNREAD.search(name):
            given = _from_hub_dac(name)
            for pattern, ours in rules:
                given = re.sub(pattern, ours, given)
            given = re.sub(r"^quantiser\.acoustic\.(\d+)$", _acoustic_book, given)
            linear = given.startswith("quantiser.") and tensor.dim() == 3
            found[given] = tensor[..., 0] if linear else tensor
    return found


def _rules(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the rules of the network that has tensors of these names."""
    if any(name.startswith("quantizer.semantic_") for name in names):
        return _MIMI
    return _DAC if any(name.startswith("quantizer.quantizers.") for name in names) else _ENCODEC


def _acoustic_book(found: re.Match[str]) -> str:
    """Return the name of an acoustic book of Mimi, which come after the semantic one."""
    return f"quantiser.stages.{int(found[1]) + 1}.book.entries"


def _from_hub_dac(name: str) -> str:
    """Return the name in DAC's released file for a name in the Hub's file.

    Any other name unchanged.
    """
    if found := re.match(r"^(encoder|decoder)\.(conv1|snake1|conv2)\.(.*)$", name):
        side, part, rest = found.groups()
        return f"{side}.model.{ {'conv1': 0, 'snake1': 5, 'conv2': 6}[part] }.{rest}"
    if found := re.match(r"^(encoder|decoder)\.block\.(\d)\.(res_unit\d|snake1|conv1|conv_t1)\.(.*)$", name):
        side, level, part, rest = found.groups()
        encoder = side == "encoder"
        if part.startswith("res_unit"):
            unit, _, rest = rest.partition(".")
            number, rest = int(part[-1]) + (-1 if encoder else 1), f"{_UNIT[unit]}.{rest}"
        else:
            number = {"snake1": 3 if encoder else 0, "conv1": 4, "conv_t1": 1}[part]
        return f"{side}.model.{int(level) + 1}.block.{number}.{rest}"
    return name


def _multiplied_out(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with weight norm multiplied out.

    w = g v / |v|, with the norm over all dimensions but the first.
    """
    done = dict(state)
    for lengths, directions in _PAIRS.items():
        for name in [name for name in state if name.endswith(lengths)]:
            stem = name.removesuffix(lengths)
            if stem + directions in done:
                direction = done.pop(stem + directions).double()
                size = direction.flatten(1).norm(dim=1).reshape(-1, *[1] * (direction.dim() - 1))
                done[stem + ".weight"] = (direction * (done.pop(name).double() / size)).float()
    return done


def _divided(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with the entries of Mimi's books, which are stored as sums and counts."""
    done = dict(state)
    for name in [name for name in state if name.endswith(".codebook.embed_sum")]:
        stem = name.removesuffix("_sum")
        usage = done.pop(stem.removesuffix("embed") + "cluster_usage", None)
        if usage is not None:
            done[stem] = done.pop(name) / usage.clamp(min=MIN_USAGE)[:, None]
    return done


def _contents(path: Path, what: str) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    """Return the tensors of a file, and the sizes in its metadata (empty if it has none)."""
    try:
        held = load_file(path) if path.suffix == ".safetensors" else load_checkpoint_safely(path)
    except (SafetensorError, OSError) as error:
        raise CodecError(f"{what} is truncated or damaged. Fetch it again.") from error
    metadata: Any = held.get("metadata") if isinstance(held, Mapping) else None
    sizes = metadata.get("kwargs") if isinstance(metadata, Mapping) else None
    held = held.get("best_state", held.get("state_dict", held)) if isinstance(held, Mapping) else held
    if not isinstance(held, Mapping) or not all(isinstance(value, Tensor) for value in held.values()):
        raise CodecError(f"{what} has no named tensors and is not a file of EnCodec, DAC or Mimi. Pass a released one.")
    return dict(held), sizes if isinstance(sizes, Mapping) else {}
