"""Bends of latent values: arithmetic, noise, snapshots, fewer levels, blending of continuous and
discrete.

Arithmetic is done before the bound, on the inverse hyperbolic tangent of the codes, so that every
result is a code. Latents without a bound (`CodecSpec.bounded`) are calculated with as they are.
Vectors have 64 channels; value i of the latent, counted row by row, has channel i mod 64, as in
CoDiCodec's public latents.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models.codec import Frame
from realtime.bends.bend import Bend, Params, choice, number
from realtime.bends.context import BendState
from realtime.bends.fsq_grid import Codes

CHANNELS = 64  # elements of a vector
SPAN = 3.0  # largest level of a latent without a bound: three deviations of a normal one


def broadcast_channels(latent: Codes, vector: object) -> npt.NDArray[np.float32]:
    """Return a vector of channels repeated to the shape of a latent."""
    return np.resize(np.asarray(vector, np.float32), latent.shape)


def arithmetic(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Scale, invert and shift by channel. Neutral channels keep their exact values."""
    if frame.latent is None:
        return frame
    scale, bias = broadcast_channels(frame.latent, params["scale"]), broadcast_channels(frame.latent, params["bias"])
    scale = np.where(broadcast_channels(frame.latent, params["invert"]) > 0, -scale, scale)
    values = scale * state.stream.values(frame.latent) + bias
    bent = np.tanh(values) if state.stream.spec.bounded else values
    return state.stream.with_latent(frame, np.where((scale == 1) & (bias == 0), frame.latent, bent))


def noise(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Add Gaussian noise to every value."""
    if frame.latent is None:
        return frame
    added = rng.standard_normal(frame.latent.shape, np.float32) * np.float32(params["noise"])
    return state.stream.with_values(frame, state.stream.values(frame.latent) + added)


def snapshot(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Mix toward the latent that was playing when `store` last got a new number, or when the mix
    began.
    """
    if frame.latent is None:
        return frame
    if state.kept.get("number", -1) != params["store"]:
        state.kept.update(number=params["store"], latent=frame.latent)
    stored: Codes = state.kept["latent"]
    if stored.shape != frame.latent.shape or params["mix"] == 0:
        return frame
    mix = np.float32(params["mix"])
    if mix == 1:
        return state.stream.with_latent(frame, stored)
    values = state.stream.values
    return state.stream.with_values(frame, (1 - mix) * values(frame.latent) + mix * values(stored))


def levels(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Round to fewer levels, evenly over the range, and count the frame's bits by them.

    The range is -1 to 1, or ±SPAN for a latent without a bound. A discrete path decodes the nearest
    of its own codes.
    """
    if frame.latent is None:
        return frame
    count = int(params["levels"])
    span = 1.0 if state.stream.spec.bounded else SPAN
    step = 2.0 * span / (count - 1)
    rounded = (np.rint((frame.latent + span) / step) * step - span).clip(-span, span)
    state.stream.levels = count
    return replace(
        state.stream.with_latent(frame, rounded.astype(np.float32)), bits=frame.latent.size * math.log2(count)
    )


def blend(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Mix toward the codes of the discrete path, on a continuous path only."""
    grid = state.stream.grid
    if frame.latent is None or grid is None or state.stream.path != "continuous":
        return frame
    way = np.float32(params["blend"])
    return replace(frame, latent=(1 - way) * frame.latent + way * grid.codes(frame.tokens))


ARITHMETIC = Bend(
    "arithmetic",
    arithmetic,
    (
        number("bias", float, 0.0, "added to the latent before its bound, by channel", -4, 4, size=CHANNELS),
        number("scale", float, 1.0, "factor of the latent before its bound, by channel", 0, 4, size=CHANNELS),
        number("invert", bool, False, "invert the sign of the latent, by channel", 0, 1, size=CHANNELS),
    ),
    amounts=("scale", "bias", "invert"),
    random_stream=6,
    needs_tokens=True,
)
NOISE = Bend(
    "noise",
    noise,
    (number("noise", float, 0.0, "noise on the latent, before its bound", 0, 4),),
    amounts=("noise",),
    random_stream=8,
    needs_tokens=True,
)
SNAPSHOT = Bend(
    "snapshot",
    snapshot,
    (
        number("snapshot.store", int, 0, "a new number here stores the frame that is playing", 0, 2**31 - 1),
        number("snapshot.mix", float, 0.0, "mix from the incoming latent (0) to the stored one (1)", 0, 1),
    ),
    amounts=("snapshot.store", "snapshot.mix"),
    random_stream=9,
    needs_tokens=True,
)
LEVELS = Bend(
    "levels",
    levels,
    (choice("levels", "number of levels to which each latent value is rounded", "off", "9", "7", "5", "3", "2"),),
    amounts=("levels",),
    random_stream=10,
    needs_tokens=True,
)
BLEND = Bend(
    "blend",
    blend,
    (
        number(
            "blend", float, 0.0, "mix from the continuous latent (0) to the rounded one (1); continuous path only", 0, 1
        ),
    ),
    amounts=("blend",),
    random_stream=11,
    needs_tokens=True,
)
