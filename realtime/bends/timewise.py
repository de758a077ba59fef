"""Bends of time: freeze, hold, stutter, mosh. They play frames of the past as they are, with payload and all."""

from __future__ import annotations

import numpy as np

from models.codec import Frame
from realtime.bends.state import Params, State

OTHER_SEED = 1 << 30


def freeze(frame: Frame, state: State, params: Params, rng: np.random.Generator) -> Frame:
    """Go on with the frame that was playing. Living: the decoder goes on drawing noise. Dead: it draws the same.

    A decoder draws noise anew when its seed changes, so the dead one is told two seeds in turn, and repeats itself
    every second frame.
    """
    frozen: Frame = state.kept.setdefault("frame", frame)
    if params["mode"] == "dead":
        state.kept["turn"] = turn = not state.kept.get("turn", False)
        state.stream.seed = OTHER_SEED + turn
    return frozen


def hold(frame: Frame, state: State, params: Params, rng: np.random.Generator) -> Frame:
    """Each frame so many times."""
    left: int = state.kept.get("left", 0)
    if left == 0:
        state.kept["frame"], left = frame, params["frames"]
    state.kept["left"] = left - 1
    held: Frame = state.kept["frame"]
    return held


def stutter(frame: Frame, state: State, params: Params, rng: np.random.Generator) -> Frame:
    """Loop the last frames before it was turned on, and this one; fewer if there are fewer."""
    count = params["frames"]
    if state.kept.get("count") != count:
        before = list(state.stream.past)[:-1]
        state.kept.update(
            count=count, loop=[*before[len(before) - count + 1 :], frame] if count > 1 else [frame], at=-1
        )
        state.kept["loop"] = state.kept["loop"][-count:]
    state.kept["at"] = (state.kept["at"] + 1) % len(state.kept["loop"])
    played: Frame = state.kept["loop"][state.kept["at"]]
    return played


def mosh(frame: Frame, state: State, params: Params, rng: np.random.Generator) -> Frame:
    """Now and then a frame of the past, while the decoder keeps its own: what moves is the input, not the picture."""
    past = state.stream.ago(params["back"])
    return past if past is not None and rng.random() < params["probability"] else frame
