"""Released checkpoints of EnCodec and DAC under our names, checked one by one.

    encodec_24khz-….th, encodec_48khz-….th    the tensors themselves
    weights_44khz_8kbps_….pth                 {"state_dict": tensors, "metadata": sizes}
    model.safetensors of the Hub              EnCodec's and DAC's, in the layout of Hugging Face's transformers

Nothing in a pickle is run. Convolutions come as directions and lengths (weight norm): they are multiplied out. What
inference never reads is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from models.codec import CodecError
from models.dac import dac_44khz
from models.pickled import unpickled
from models.residual import Config, ResidualNetwork
from models.residual_file import network_of
from models.seanet import encodec_24khz, encodec_48khz

# Their names, or parts of them, to ours; every rule is applied, in order.
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
    (r"^quantizer\.quantizers\.(\d+)\.in_proj\.", r"quantiser.stages.\1.into."),
    (r"^quantizer\.quantizers\.(\d+)\.out_proj\.", r"quantiser.stages.\1.back."),
    (r"^quantizer\.quantizers\.(\d+)\.codebook\.weight", r"quantiser.stages.\1.book.entries"),
)
_UNIT = {"snake1": "block.0", "conv1": "block.1", "snake2": "block.2", "conv2": "block.3"}
_UNREAD = re.compile(r"(inited|cluster_size|embed_avg)$")
_PAIRS = {  # lengths beside directions, under both of torch's names for them
    ".weight_g": ".weight_v",
    ".parametrizations.weight.original0": ".parametrizations.weight.original1",
}


def read_official(path: Path, family: str) -> ResidualNetwork:
    """A network from a released file of encodec24, encodec48 or dac; CodecError if it is not sound."""
    if not path.is_file():
        raise CodecError(f'checkpoint "{path}" is not there. Pass the path of a released file.')
    what = f'checkpoint "{path.name}"'
    state = _multiplied_out(_tensors(path, what))
    books = sum(bool(re.search(r"^quantizer\..*(?:\.embed|\.codebook\.weight)$", name)) for name in state)
    if not books:
        raise CodecError(f"{what} has no codebooks: it is not a file of EnCodec or DAC. Pass a released one.")
    return network_of(sizes_of(family, books), renamed(state, _DAC if family == "dac" else _ENCODEC), what)


def sizes_of(family: str, books: int | None = None) -> Config:
    """The released sizes of a family, with so many books, or as many as were released."""
    if family == "dac":
        return dac_44khz(books or 9)
    return encodec_24khz(books or 32) if family == "encodec24" else encodec_48khz(books or 16)


def family_of(path: Path) -> str:
    """Which family a released file is of, by what is in it."""
    state = _tensors(path, f'checkpoint "{path.name}"') if path.is_file() else {}
    if any(".quantizers." in name for name in state):
        return "dac"
    return "encodec48" if any(".norm." in name for name in state) else "encodec24"


def renamed(state: Mapping[str, Tensor], rules: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    """Their tensors under our names."""
    found = {}
    for name, tensor in state.items():
        if not _UNREAD.search(name):
            given = _from_hub_dac(name)
            for pattern, ours in rules:
                given = re.sub(pattern, ours, given)
            linear = ".into." in given or ".back." in given
            found[given] = tensor[..., 0] if linear and tensor.dim() == 3 else tensor
    return found


def _from_hub_dac(name: str) -> str:
    """The Hub's name for a part of DAC as the released file has it; any other name as it is."""
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
    """With every direction times its length, |v| over all dimensions but the first."""
    done = dict(state)
    for lengths, directions in _PAIRS.items():
        for name in [name for name in state if name.endswith(lengths)]:
            stem = name.removesuffix(lengths)
            if stem + directions in done:
                direction = done.pop(stem + directions).double()
                size = direction.flatten(1).norm(dim=1).reshape(-1, *[1] * (direction.dim() - 1))
                done[stem + ".weight"] = (direction * (done.pop(name).double() / size)).float()
    return done


def _tensors(path: Path, what: str) -> dict[str, Tensor]:
    try:
        held = load_file(path) if path.suffix == ".safetensors" else unpickled(path)
    except (SafetensorError, OSError) as error:
        raise CodecError(f"{what} is truncated or damaged. Fetch it again.") from error
    held = held.get("best_state", held.get("state_dict", held)) if isinstance(held, Mapping) else held
    if not isinstance(held, Mapping) or not all(isinstance(value, Tensor) for value in held.values()):
        raise CodecError(f"{what} has no tensors by name: it is not a file of EnCodec or DAC. Pass a released one.")
    return dict(held)
