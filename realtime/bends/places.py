"""Bends of places in a frame: mask and swap replace whole tokens, with the codes that belong to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models.codec import Frame
from realtime.bends.state import Params, State

Places = npt.NDArray[np.bool_]


def take(frame: Frame, other: Frame, places: Places) -> Frame:
    """The frame with those tokens, [tokens] of True, that another of the same codec has."""
    if other.tokens.shape != frame.tokens.shape:
        return frame
    latent = frame.latent
    if latent is not None and other.latent is not None and len(latent) == len(places):
        latent = np.where(places[:, None], other.latent, latent)
    return replace(frame, tokens=np.where(places, other.tokens, frame.tokens).astype(np.int32), latent=latent)


def zeros(frame: Frame, state: State) -> Frame:
    """The frame whose codes are all zero, or whose tokens are where there is no grid."""
    grid = state.stream.grid
    latent = None if frame.latent is None else np.zeros_like(frame.latent)
    tokens = np.zeros_like(frame.tokens) if grid is None or latent is None else grid.tokens(latent)
    return replace(frame, tokens=tokens, latent=latent)


def noise_frame(frame: Frame, state: State, rng: np.random.Generator) -> Frame:
    """The frame of random tokens."""
    tokens = rng.integers(max(1, state.stream.spec.cardinality), size=frame.tokens.shape, dtype=np.int32)
    if frame.latent is None:
        return replace(frame, tokens=tokens)
    grid = state.stream.grid
    codes = grid.codes(tokens) if grid else rng.uniform(-1, 1, frame.latent.shape).astype(np.float32)
    return replace(frame, tokens=tokens, latent=codes)


def mask(frame: Frame, state: State, params: Params, rng: np.random.Generator) -> Frame:
    """Replace tokens of a range by chance: by zero, by the frame before, by random ones."""
    count = len(frame.tokens)
    place = np.arange(count)
    places = (rng.random(count) < params["probability"]) & (place >= params["first"]) & (place <= params["last"])
    if params["fill"] == "random":
        other = noise_frame(frame, state, rng)
    elif params["fill"] == "previous":
        other = state.stream.ago(1) or frame
    else:
        other = zeros(frame, state)
    return take(frame, other, places)


def swap(frame: Frame, state: State, params: Params, rng: np.random.Generator) -> Frame:
    """Some places, always the same for one seed, play the tokens of the past or of the other slot."""
    count = len(frame.tokens)
    if "order" not in state.kept or len(state.kept["order"]) != count:
        state.kept["order"] = rng.permutation(count)
    places = np.zeros(count, np.bool_)
    places[state.kept["order"][: round(params["amount"] * count)]] = True
    other = state.stream.other if params["source"] == "other" else state.stream.ago(params["back"])
    return frame if other is None else take(frame, other, places)
