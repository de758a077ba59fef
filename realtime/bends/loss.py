"""Lost packets: single tokens by chance, whole frames in bursts, and what is played instead.

Frames are lost as in Gilbert, "Capacity of a burst-noise channel" (Bell System Technical Journal, 1960): a channel is
good or bad, `enter` and `leave` say how often it changes, and what is sent while it is bad is lost.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.codec import Frame
from realtime.bends.grid import with_codes
from realtime.bends.places import take, zeros
from realtime.bends.state import Params, State


def loss(frame: Frame, state: State, params: Params, rng: np.random.Generator) -> Frame:
    """What the far end plays of this frame: all of it, or concealed in part or in whole."""
    kept = state.kept
    bad = kept.get("bad", False)
    kept["bad"] = bad = rng.random() >= params["leave"] if bad else rng.random() < params["enter"]
    lost = rng.random(len(frame.tokens)) < params["token"]
    played = frame
    if bad:
        played = _conceal(frame, state, params["conceal"])
    elif lost.any():
        played = take(frame, _conceal(frame, state, params["conceal"]), lost)
    if not bad:
        kept["before"] = kept.get("heard")
        kept["heard"] = frame
    return replace(played, index=frame.index)


def _conceal(frame: Frame, state: State, how: str) -> Frame:
    """Hold the last that came, or nothing, or go on from the last two by half a step."""
    heard: Frame | None = state.kept.get("heard")
    if how == "zero" or heard is None:
        return replace(zeros(frame, state), payload=b"")
    before: Frame | None = state.kept.get("before")
    if how == "interpolate" and before is not None and before.latent is not None and heard.latent is not None:
        return with_codes(heard, heard.latent + 0.5 * (heard.latent - before.latent), state.stream.grid)
    return heard
