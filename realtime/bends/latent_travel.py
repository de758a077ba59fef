"""Morph: a bend that plays what lies between two sounds: captured frames, the incoming one, or the other slot's.

Latents are interpolated before their bound. A codec with tokens alone interpolates before its
quantiser if it can (`models.codec.Interpolating`); else its tokens change over one by one, always in
the same order.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.codec import Frame
from realtime.bends.bend import Bend, Params, choice, number
from realtime.bends.context import BendState
from realtime.bends.tokens import token_count, with_tokens_of

ENDS = ("from", "to")


def morph(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Return the frame at `position` between the frames `from` and `to`.

    The frame is left alone if the other slot has none of this codec.
    """
    for end in ENDS:
        if state.kept.get(f"{end} number", -1) != params[f"store_{end}"]:
            state.kept.update({f"{end} number": params[f"store_{end}"], end: frame})
    first, last = ({"live": frame, "stored": state.kept[end], "other": state.stream.other}[params[end]] for end in ENDS)
    if first is None or last is None or not _alike(frame, first) or not _alike(frame, last):
        return frame
    position = params["position"]
    if position in (0, 1):
        played = last if position else first
        return frame if played is frame else replace(frame, tokens=played.tokens, latent=played.latent)
    return _between(frame, first, last, position, state, rng)


def _between(
    frame: Frame, first: Frame, last: Frame, position: float, state: BendState, rng: np.random.Generator
) -> Frame:
    stream, way = state.stream, np.float32(position)
    if first.latent is not None and last.latent is not None:
        values = (1 - way) * stream.values(first.latent) + way * stream.values(last.latent)
        return stream.with_values(frame, values)
    if stream.between is not None:
        return replace(frame, tokens=stream.between(first.tokens, last.tokens, position))
    order = rng.permutation(token_count(frame))
    chosen = np.zeros(len(order), np.bool_)
    chosen[order[: round(position * len(order))]] = True
    return with_tokens_of(replace(frame, tokens=first.tokens, latent=first.latent), last, chosen)


def _alike(frame: Frame, other: Frame) -> bool:
    """Return True if both frames have as many tokens and the same shape of latents."""
    shapes = [None if one.latent is None else one.latent.shape for one in (frame, other)]
    return frame.tokens.shape == other.tokens.shape and shapes[0] == shapes[1]


MORPH = Bend(
    "morph",
    morph,
    (
        number("morph.position", float, 0.0, "position between the first sound (0) and the second (1)", 0, 1),
        choice("morph.from", "first sound", "live", "stored", "other"),
        choice("morph.to", "second sound", "stored", "other", "live"),
        number("morph.store_from", int, 0, "a new number here stores the frame that is playing as the first sound",
               0, 2**31 - 1),
        number("morph.store_to", int, 0, "a new number here stores the frame that is playing as the second sound",
               0, 2**31 - 1),
    ),
    amounts=("morph.position", "morph.from", "morph.store_from", "morph.store_to"),
    random_stream=15,
    new_random_each_frame=False,
    needs_tokens=True,
)  # fmt: skip
