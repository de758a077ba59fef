"""A small CoDiCodec with random weights, and audio for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from models.codec import Audio, Codec
from models.codicodec.codec import CoDiCodec
from models.codicodec.config import CoDiCodecConfig
from models.codicodec.network import CoDiCodecNetwork
from models.family import Family
from models.training.config import nano

torch.set_num_threads(1)  # small tensors: on a busy machine, threads that wait for each other take 20 times longer

# Options that the released sizes do not use: a patch stem, 75 % overlap, unequal depths, our own
# additions.
PATCHED = replace(
    CoDiCodecConfig.tiny(),
    name="patched",
    sample_rate=44100,
    stft_hop=64,
    patch=(4, 2),
    channels=(16, 32),
    strides=((4, 2),),
    blocks=(1, 1),
    layers=(1, 2, 3),
    mlp_width=32,
    noise_width=16,
    latents=12,
    registers=1,
    levels=(8, 5, 3),
    own_projections=True,
    log_planes=True,
)
STARTED = replace(nano("0" * 64), channels=(16,), width=16, heads=2, mlp_width=16, noise_width=16, layers=(0, 1, 1))
STARTS = {"learnt": STARTED, "start alone": replace(STARTED, layers=(0, 0, 0))}
CONFIGS = {"tiny": CoDiCodecConfig.tiny(), "patched": PATCHED}


@cache
def small_codec(name: str = "tiny") -> CoDiCodec:
    return CoDiCodec(CoDiCodecNetwork(CONFIGS[name]).randomise(0))


@cache
def start_codec(name: str = "start alone") -> CoDiCodec:
    """Return a codec of nano's frames on a start that codes any sound badly."""
    return CoDiCodec(CoDiCodecNetwork(STARTS[name]).randomise(0))


def noise(codec: CoDiCodec, hops: int, seed: int = 0) -> Audio:
    """Return white noise [2, hops * hop] with a standard deviation of 0.1."""
    samples = np.random.default_rng(seed).standard_normal((2, hops * codec.spec.hop))
    return (0.1 * samples).astype(np.float32)


def late(codec: CoDiCodec, audio: Audio) -> Audio:
    """Return audio with `lookahead` zeros before it: its frames are those of a stream."""
    return np.pad(audio, ((0, 0), (codec.spec.lookahead, 0)))


def chunks(codec: CoDiCodec, audio: Audio) -> list[Audio]:
    return np.split(audio, audio.shape[1] // codec.spec.hop, axis=1)


def spy(monkeypatch: pytest.MonkeyPatch, network: CoDiCodecNetwork, *methods: str) -> list[tuple[str, int]]:
    """Return a list to which each call of these methods appends its name and batch size."""
    calls: list[tuple[str, int]] = []

    def watched(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            calls.append((name, len(args[0])))
            return original(*args)

        return call

    for name in methods:
        monkeypatch.setattr(network, name, watched(name, getattr(network, name)))
    return calls


def family(name: str, make: Callable[[], Codec]) -> Family:
    """Return a registry entry that makes one codec and has no row in the catalogue."""
    return Family(name, "exact", "", lambda rest, rate, precision: make(), lambda: None)
