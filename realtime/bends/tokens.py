"""Bends of tokens: mask and swap replace whole tokens, with the codes that belong to them.

In a frame of latents without tokens, a row of the latent takes the place of a token.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models.codec import Frame
from realtime.bends.bend import Bend, Params, choice, number
from realtime.bends.context import HISTORY_FRAMES, BendState

TokenMask = npt.NDArray[np.bool_]  # [token_count(frame)]


def token_count(frame: Frame) -> int:
    """Return the number of tokens of a frame, or of rows of its latent if it has no tokens."""
    return len(frame.tokens) or (0 if frame.latent is None else len(frame.latent))


def with_tokens_of(frame: Frame, other: Frame, chosen: TokenMask) -> Frame:
    """Return the frame with the chosen tokens, and their codes, of another frame of the same codec."""
    if other.tokens.shape != frame.tokens.shape:
        return frame
    latent = frame.latent
    if latent is not None and other.latent is not None and len(latent) == len(chosen):
        latent = np.where(chosen[:, None], other.latent, latent)
    if not len(frame.tokens):
        return replace(frame, latent=latent)
    return replace(frame, tokens=np.where(chosen, other.tokens, frame.tokens).astype(np.int32), latent=latent)


def zero_frame(frame: Frame, state: BendState) -> Frame:
    """Return the frame with all codes zero, or all tokens zero where the codec has no grid."""
    grid = state.stream.grid
    latent = None if frame.latent is None else np.zeros_like(frame.latent)
    tokens = np.zeros_like(frame.tokens) if grid is None or latent is None else grid.tokens(latent)
    return replace(frame, tokens=tokens, latent=latent)


def noise_frame(frame: Frame, state: BendState, rng: np.random.Generator) -> Frame:
    """Return the frame with random tokens."""
    tokens = rng.integers(max(1, state.stream.spec.cardinality), size=frame.tokens.shape, dtype=np.int32)
    if frame.latent is None:
        return replace(frame, tokens=tokens)
    grid = state.stream.grid
    if not state.stream.spec.bounded:
        codes = rng.standard_normal(frame.latent.shape, np.float32)
    else:
        codes = grid.codes(tokens) if grid else rng.uniform(-1, 1, frame.latent.shape).astype(np.float32)
    return replace(frame, tokens=tokens, latent=codes)


def mask(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Replace tokens of a range at random: by zero, by those of the frame before, or by random
    ones.
    """
    count = token_count(frame)
    index = np.arange(count)
    chosen = (rng.random(count) < params["probability"]) & (index >= params["first"]) & (index <= params["last"])
    if params["fill"] == "random":
        other = noise_frame(frame, state, rng)
    elif params["fill"] == "previous":
        other = state.stream.ago(1) or frame
    else:
        other = zero_frame(frame, state)
    return with_tokens_of(frame, other, chosen)


def swap(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Replace part of the tokens, the same ones in every frame, by those of the past or of the
    other slot.
    """
    count = token_count(frame)
    if "order" not in state.kept or len(state.kept["order"]) != count:
        state.kept["order"] = rng.permutation(count)
    chosen = np.zeros(count, np.bool_)
    chosen[state.kept["order"][: round(params["amount"] * count)]] = True
    other = state.stream.other if params["source"] == "other" else state.stream.ago(params["back"])
    return frame if other is None else with_tokens_of(frame, other, chosen)


SWAP = Bend(
    "swap",
    swap,
    (
        number("swap.amount", float, 0.0, "part of the tokens that are replaced, always the same ones", 0, 1),
        choice("swap.source", "origin of the new tokens: the past, or the other slot", "past", "other"),
        number("swap.back", int, 1, "age of the tokens of the past, in frames", 1, HISTORY_FRAMES),
    ),
    amounts=("swap.amount",),
    random_stream=4,
    new_random_each_frame=False,
    needs_tokens=True,
)
MASK = Bend(
    "mask",
    mask,
    (
        number("mask.probability", float, 0.0, "probability that a token is replaced", 0, 1),
        number("mask.first", int, 0, "first token that may be replaced", 0, 4095),
        number("mask.last", int, 4095, "last token that may be replaced", 0, 4095),
        choice("mask.fill", "replacement", "zero", "previous", "random"),
    ),
    amounts=("mask.probability",),
    random_stream=5,
    needs_tokens=True,
)
