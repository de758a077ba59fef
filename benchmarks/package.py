"""The released package `codicodec` as a contender, with our random weights: a black box, of which nothing is read."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from models.codec import Audio, CodecError
from models.network import CoDiCodecNetwork
from models.official import to_official

AGAINST = ("codicodec",)


def package(network: CoDiCodecNetwork, name: str) -> dict[str, Callable[[Audio], None]]:
    """Its live frame in float32 and in its default, half precision by autocast; it reads chunk and lookahead anew."""
    model = package_model(network, name)

    def contender(mixed: bool) -> Callable[[Audio], None]:
        lookahead = torch.zeros(2, network.config.lookahead)

        def frame(chunk: Audio) -> None:
            nonlocal lookahead
            samples = torch.cat([lookahead, torch.from_numpy(chunk)], dim=-1)
            lookahead = samples[:, -lookahead.shape[-1] :]
            _use_half_precision(mixed)
            with torch.no_grad():
                model.decode_next(model.encode(samples).reshape(8, 64), denoising_steps=2)

        return frame

    return {f"{name}, float32": contender(False), f"{name}, its default": contender(True)}


def package_model(network: CoDiCodecNetwork, name: str = "codicodec") -> Any:
    """The package's model with our weights, through a file; half precision off, its hub not asked."""
    if name not in AGAINST:
        raise CodecError(f'cannot compare with "{name}"; give one of {AGAINST}.')
    try:
        import codicodec.inference
    except ImportError as error:
        raise CodecError(f'package "{name}" cannot be imported ({error}). Install the extra "parity".') from error
    codicodec.inference.download_model = lambda *args, **kwargs: None
    _use_half_precision(False)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "codicodec.pt"
        torch.save({"gen_state_dict": to_official(network)}, path)
        model = codicodec.EncoderDecoder(load_path_inference=str(path), device="cpu")
    model.gen.requires_grad_(False)
    return model


def _use_half_precision(on: bool) -> None:
    """The package's modules each have a copy of the flag."""
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("codicodec") and hasattr(module, "mixed_precision"):
            vars(module)["mixed_precision"] = on
