"""Packet loss: single tokens at random, whole frames in bursts, and the concealment of both.

Frames are lost as in Gilbert, "Capacity of a burst-noise channel" (Bell System Technical Journal,
1960): the channel is good or bad, `enter` and `leave` are the probabilities of a change, and frames
sent while it is bad are lost.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.codec import Frame
from realtime.bends.bend import Bend, Params, choice, number
from realtime.bends.context import BendState
from realtime.bends.tokens import token_count, with_tokens_of, zero_frame


def loss(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Return the frame as the far end plays it: whole, or concealed in part or entirely."""
    kept = state.kept
    bad = kept.get("bad", False)
    kept["bad"] = bad = rng.random() >= params["leave"] if bad else rng.random() < params["enter"]
    lost = rng.random(token_count(frame)) < params["token"]
    played = frame
    if bad:
        played = _conceal(frame, state, params["conceal"])
    elif lost.any():
        played = with_tokens_of(frame, _conceal(frame, state, params["conceal"]), lost)
    if not bad:
        kept["before"] = kept.get("received")
        kept["received"] = frame
    return replace(played, index=frame.index)


def _conceal(frame: Frame, state: BendState, how: str) -> Frame:
    """Return the last received frame ("hold"), zeros, or an extrapolation of the last two by half a
    step.
    """
    last: Frame | None = state.kept.get("received")
    if how == "zero" or last is None:
        return replace(zero_frame(frame, state), payload=b"")
    before: Frame | None = state.kept.get("before")
    if how == "interpolate" and before is not None and before.latent is not None and last.latent is not None:
        return state.stream.with_latent(last, last.latent + 0.5 * (last.latent - before.latent))
    return last


LOSS = Bend(
    "loss",
    loss,
    (
        number("loss.token", float, 0.0, "probability that a token is lost", 0, 1),
        number("loss.enter", float, 0.0, "probability, per good frame, that a burst of lost frames begins", 0, 1),
        number("loss.leave", float, 0.5, "probability, per lost frame, that the burst ends", 0.01, 1),
        choice("loss.conceal", "replacement of lost frames and tokens", "hold", "zero", "interpolate"),
    ),
    amounts=("loss.token", "loss.enter"),
    random_stream=12,
)
