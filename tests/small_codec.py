"""A small CoDiCodec with random weights, and sound for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from models.codec import Audio
from models.codicodec import CoDiCodec
from models.config import CoDiCodecConfig
from models.network import CoDiCodecNetwork

torch.set_num_threads(1)  # small tensors: on a busy machine, threads that wait for each other cost twentyfold

CONFIGS = {"tiny": CoDiCodecConfig.tiny(), "patched": CoDiCodecConfig.patched()}


@cache
def small_codec(name: str = "tiny") -> CoDiCodec:
    return CoDiCodec(CoDiCodecNetwork(CONFIGS[name]).randomise(0))


def noise(codec: CoDiCodec, hops: int, seed: int = 0) -> Audio:
    """[2, hops * hop]."""
    samples = np.random.default_rng(seed).standard_normal((2, hops * codec.spec.hop))
    return (0.1 * samples).astype(np.float32)


def late(codec: CoDiCodec, audio: Audio) -> Audio:
    """With `lookahead` zeros before it: the file whose frames are those of a stream."""
    return np.pad(audio, ((0, 0), (codec.spec.lookahead, 0)))


def chunks(codec: CoDiCodec, audio: Audio) -> list[Audio]:
    return np.split(audio, audio.shape[1] // codec.spec.hop, axis=1)


def spy(monkeypatch: pytest.MonkeyPatch, network: CoDiCodecNetwork, *methods: str) -> list[tuple[str, int]]:
    """A list to which each call of these methods adds its name and its batch size."""
    calls: list[tuple[str, int]] = []

    def watched(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            calls.append((name, len(args[0])))
            return original(*args)

        return call

    for name in methods:
        monkeypatch.setattr(network, name, watched(name, getattr(network, name)))
    return calls
