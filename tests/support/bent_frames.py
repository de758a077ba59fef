"""Frames of a small codec, and chains of bends that change them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from models.codec import Codec, DecoderControls, Frame
from realtime.bends.chain import BendChain
from realtime.bends.fsq_grid import Grid
from realtime.parameters.table import PARAMETERS
from tests.support.small_codec import small_codec

CODEC: Codec = small_codec("tiny")


SPEC = CODEC.spec


GRID = Grid(11, 4)


def frames(count: int, seed: int = 0) -> list[Frame]:
    """Such as CODEC encodes."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        codes = rng.uniform(-0.99, 0.99, SPEC.latent).astype(np.float32)
        made.append(Frame(index, GRID.tokens(codes), codes, SPEC.tokens * math.log2(SPEC.cardinality)))
    return made


def chain(path: str = "continuous", **settings: Any) -> BendChain:
    """A chain of CODEC with these settings; a dot is written as two underscores."""
    made = BendChain(CODEC, 0, path, lambda line: None)
    for name, value in settings.items():
        row = PARAMETERS["a.bend." + name.replace("__", ".")]
        made.set(name.replace("__", "."), row.parse(value))
    return made


def bent(given: list[Frame], path: str = "continuous", **settings: Any) -> list[Frame]:
    made = chain(path, **settings)
    return [made.bend(frame, DecoderControls(), None)[0] for frame in given]


def latents(given: list[Frame]) -> np.ndarray:
    return np.stack([frame.latent for frame in given if frame.latent is not None])


def tokens(given: list[Frame]) -> np.ndarray:
    return np.stack([frame.tokens for frame in given])


GIVEN = frames(40)
