"""Released packages timed beside our codec, as black boxes with random weights and without a
download.

`codicodec` gets the weights of our network. `music2latent`, its predecessor for whole files, keeps
its random ones and is given as many samples as a frame of ours has.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from models.codec import Audio, CodecError
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.released_checkpoint import to_official

AGAINST = ("codicodec", "music2latent")
ROUNDS = 3  # of seconds each


@dataclass(frozen=True)
class TimedCodec:
    """A function that encodes and decodes a chunk, and how many rounds to time it."""

    frame: Callable[[Audio], None]
    samples: int
    rate: int  # Hz
    rounds: int


def package(network: CoDiCodecNetwork, name: str) -> dict[str, TimedCodec]:
    """Return a package's codecs by name.

    CodecError if the package is not known or not installed.
    """
    return {"codicodec": _codicodec, "music2latent": _music2latent}[_known(name)](network)


def _codicodec(network: CoDiCodecNetwork) -> dict[str, TimedCodec]:
    """Return its live frame in float32 and in its default, half precision by autocast.

    It reads the chunk together with the look-ahead in each call.
    """
    model = package_model(network)

    def timed(mixed: bool) -> TimedCodec:
        lookahead = torch.zeros(2, network.config.lookahead)

        def frame(chunk: Audio) -> None:
            nonlocal lookahead
            samples = torch.cat([lookahead, torch.from_numpy(chunk)], dim=-1)
            lookahead = samples[:, -lookahead.shape[-1] :]
            _use_half_precision(mixed)
            with torch.no_grad():
                model.decode_next(model.encode(samples).reshape(8, 64), denoising_steps=2)

        return TimedCodec(frame, network.config.hop, network.config.sample_rate, ROUNDS)

    return {"codicodec, float32": timed(False), "codicodec, its default": timed(True)}


def _music2latent(network: CoDiCodecNetwork) -> dict[str, TimedCodec]:
    """Return its encoder and decoder in the default of one step, at its own rate."""
    package, models = _imported("music2latent.inference"), import_module("music2latent.models")
    package.download_model = lambda *args, **kwargs: None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "music2latent.pt"
        torch.save({"gen_state_dict": models.UNet().state_dict()}, path)
        model = package.EncoderDecoder(load_path_inference=str(path), device="cpu")

    def frame(chunk: Audio) -> None:
        with torch.no_grad():
            model.decode(model.encode(chunk))

    return {"music2latent, one step": TimedCodec(frame, network.config.hop, 44_100, ROUNDS)}


def package_model(network: CoDiCodecNetwork) -> Any:
    """Return the model of `codicodec` with our weights, passed as a file.

    Half precision off, nothing downloaded.
    """
    package = _imported("codicodec.inference")
    package.download_model = lambda *args, **kwargs: None
    _use_half_precision(False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "codicodec.pt"
        torch.save({"gen_state_dict": to_official(network)}, path)
        model = import_module("codicodec").EncoderDecoder(load_path_inference=str(path), device="cpu")
    model.gen.requires_grad_(False)
    return model


def _known(name: str) -> str:
    if name not in AGAINST:
        raise CodecError(f'cannot compare with "{name}"; give one of {AGAINST}.')
    return name


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise CodecError(
            f'package "{name.partition(".")[0]}" cannot be imported ({error}). Install the extra "parity".'
        ) from error


def _use_half_precision(on: bool) -> None:
    """Set the flag in all of the package's modules, each of which has a copy."""
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("codicodec") and hasattr(module, "mixed_precision"):
            vars(module)["mixed_precision"] = on
