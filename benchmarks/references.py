"""EnCodec, DAC and Mimi of packages that released or run them, with random weights, as black boxes
that take whole files.

The packages of EnCodec and DAC import torchaudio and audiotools, which do not load beside our torch
and are not used here. Empty modules take their place. DAC is MIT; encodec's repository says MIT, the
metadata of its package CC BY-NC 4.0; transformers, which has Mimi, is Apache-2.0. Nothing of them
is used or shipped.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.codec import CodecError
from models.residual.released_sizes import sizes_of

PACKAGES = {
    "encodec": ("encodec24", "encodec32", "encodec48"),
    "descript-audio-codec": ("dac", "dac44-16", "dac24", "dac16"),
    "transformers": ("mimi",),
}
INSTALL = "pip install --no-deps encodec==0.1.1 descript-audio-codec==1.0.0 einops; pip install transformers"
MIMI_GAIN = 0.05  # of the last layer: random weights would exceed the bound of decoded samples


@dataclass(frozen=True)
class Reference:
    """One network of a package.

    `through` returns the tokens [K, S] and the decoded audio [1, C, m] of audio [1, C, n].

    For a network that codes segments, the tokens are those of the first segment.
    """

    model: Any
    through: Callable[[Tensor], tuple[Tensor, Tensor]]

    def save(self, path: Path) -> None:
        """Write the weights in the package's own layout."""
        state = self.model.state_dict()
        torch.save({"state_dict": state, "metadata": {"kwargs": {}}} if path.suffix == ".pth" else state, path)


def reference(family: str) -> Reference:
    """Return the package's network of a family, weights by torch's seed.

    CodecError if it is not installed.
    """
    if family == "mimi":
        return _mimi()
    with _stand_ins(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch, about the packages' weight norm
        return _dac(family) if family.startswith("dac") else _encodec(family)


def _encodec(family: str) -> Reference:
    package, modules = _imported("encodec"), _imported("encodec.modules")
    if family == "encodec32":  # of MusicGen; the package has its parts
        parts = {"n_filters": 64, "ratios": [8, 5, 4, 4], "causal": False, "true_skip": True}
        quantiser = _imported("encodec.quantization").ResidualVectorQuantizer(dimension=128, n_q=4, bins=2048)
        encoder, decoder = modules.SEANetEncoder(**parts), modules.SEANetDecoder(**parts)
        model = package.EncodecModel(encoder, decoder, quantiser, [2.2], 32_000, 1)
        model.set_target_bandwidth(2.2)
    else:
        size = family.removeprefix("encodec")
        model = getattr(package.EncodecModel, f"encodec_model_{size}khz")(pretrained=False)
        model.set_target_bandwidth(24.0)
    for name, entries in model.named_buffers():
        if name.endswith("embed"):
            entries.copy_(0.3 * torch.randn(entries.shape))
    model.eval()

    def through(x: Tensor) -> tuple[Tensor, Tensor]:
        frames = model.encode(x)
        return frames[0][0][0], model.decode(frames)

    return Reference(model, through)


def _dac(family: str) -> Reference:
    sizes = sizes_of(family)
    quantiser = sizes.quantiser
    model = _imported("dac.model.dac").DAC(
        encoder_rates=list(sizes.strides),
        decoder_rates=list(reversed(sizes.strides)),
        latent_dim=quantiser.width,
        n_codebooks=quantiser.books,
        sample_rate=sizes.sample_rate,
    )
    model.eval()

    def through(x: Tensor) -> tuple[Tensor, Tensor]:
        z, codes, *_ = model.encode(x)
        return codes[0], model.decode(z)

    return Reference(model, through)


@torch.no_grad()
def _mimi() -> Reference:
    package = _imported("transformers")
    model = package.MimiModel(package.MimiConfig()).eval()
    for name, tensor in model.state_dict().items():
        if name.endswith("embed_sum"):
            tensor.copy_(0.3 * torch.randn(tensor.shape))
        elif name.endswith("cluster_usage"):
            tensor.copy_(0.5 + torch.rand(tensor.shape))
        elif "layer_scale" in name:
            tensor.fill_(0.3)
    last = [part for part in model.modules() if isinstance(part, torch.nn.Conv1d) and part.out_channels == 1][-1]
    last.weight.mul_(MIMI_GAIN)

    def through(x: Tensor) -> tuple[Tensor, Tensor]:
        codes = model.encode(x).audio_codes
        return codes[0], model.decode(codes).audio_values

    return Reference(model, through)


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        packages = {"encodec": "encodec", "dac": "descript-audio-codec", "transformers": "transformers"}
        package = packages[name.partition(".")[0]]
        raise CodecError(f'package "{package}" cannot be imported ({error}). Install it: {INSTALL}') from error


@contextlib.contextmanager
def _stand_ins() -> Iterator[None]:
    """Replace packages that are imported and not used by empty modules, in the with block."""
    tools: Any = types.ModuleType("audiotools")
    tools.AudioSignal = tools.STFTParams = object
    tools.ml = types.ModuleType("audiotools.ml")
    tools.ml.BaseModel = torch.nn.Module
    modules = {"torchaudio": types.ModuleType("torchaudio"), "audiotools": tools, "audiotools.ml": tools.ml}
    found = importlib.util.find_spec("dac")
    if found is not None and found.submodule_search_locations:
        for name, inner in (("dac", ""), ("dac.model", "model")):  # its own __init__ imports all of audiotools
            modules[name] = types.ModuleType(name)
            modules[name].__path__ = [str(Path(found.submodule_search_locations[0]) / inner)]
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
