"""Bends in time: freeze, hold, stutter, mosh. They replay frames of the past unchanged, with their
payload.
"""

from __future__ import annotations

import numpy as np

from models.codec import Frame
from realtime.bends.bend import Bend, Params, choice, number, switch
from realtime.bends.context import HISTORY_FRAMES, BendState

OTHER_SEED = 1 << 30


def freeze(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Repeat the frame that was playing when the freeze began.

    In mode "living" the decoder goes on drawing noise. In mode "dead" it repeats itself every
    second frame: a decoder draws new noise when its seed changes, so two seeds alternate.
    """
    frozen: Frame = state.kept.setdefault("frame", frame)
    if params["mode"] == "dead":
        state.kept["turn"] = turn = not state.kept.get("turn", False)
        state.stream.seed = OTHER_SEED + turn
    return frozen


FREEZE = Bend(
    "freeze",
    freeze,
    (
        switch("freeze.on", "repeat the frame that is playing"),
        choice("freeze.mode", "decoder's noise while frozen: living (new) or dead (repeated)", "living", "dead"),
    ),
    amounts=("freeze.on",),
    random_stream=0,
)


def hold(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Play each frame `frames` times and drop those in between."""
    left: int = state.kept.get("left", 0)
    if left == 0:
        state.kept["frame"], left = frame, params["frames"]
    state.kept["left"] = left - 1
    held: Frame = state.kept["frame"]
    return held


HOLD = Bend(
    "hold",
    hold,
    (number("hold.frames", int, 1, "play each frame so many times, and leave out as many", 1, 64),),
    amounts=("hold.frames",),
    random_stream=1,
)


def stutter(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Loop this frame and the ones before it, `frames` in all; fewer if the history is shorter."""
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


STUTTER = Bend(
    "stutter",
    stutter,
    (number("stutter.frames", int, 0, "number of latest frames to loop; 0 is off", 0, 32),),
    amounts=("stutter.frames",),
    random_stream=2,
)


def mosh(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Replace frames at random by one from the past, while the decoder's own state goes on."""
    past = state.stream.ago(params["back"])
    return past if past is not None and rng.random() < params["probability"] else frame


MOSH = Bend(
    "mosh",
    mosh,
    (
        number("mosh.probability", float, 0.0, "probability that a frame of the past is played instead", 0, 1),
        number("mosh.back", int, 8, "age of that frame, in frames", 1, HISTORY_FRAMES),
    ),
    amounts=("mosh.probability",),
    random_stream=3,
)
