"""Bends of values: arithmetic on the latent, snapshots, fewer levels, the way between continuous and discrete.

Arithmetic is done before the bound (on the inverse hyperbolic tangent of the codes), so that whatever comes out is a
code. Vectors of 64 channels are laid over the latent as CoDiCodec's public latents are: value i has channel i mod 64.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models.codec import Frame
from realtime.bends.grid import Codes, unbound, with_codes
from realtime.bends.state import Params, State


def over(latent: Codes, vector: object) -> npt.NDArray[np.float32]:
    """A vector of channels in the shape of a latent."""
    return np.resize(np.asarray(vector, np.float32), latent.shape)


def arithmetic(frame: Frame, state: State, params: Params, rng: np.random.Generator) -> Frame:
    """Scale, turn over and shift, by channel. Channels that are neutral keep their bits."""
    if frame.latent is None:
        return frame
    scale, bias = over(frame.latent, params["scale"]), over(frame.latent, params["bias"])
    scale = np.where(over(frame.latent, params["invert"]) > 0, -scale, scale)
    bent = np.tanh(scale * unbound(frame.latent) + bias)
    return with_codes(frame, np.where((scale == 1) & (bias == 0), frame.latent, bent), state.stream.grid)


def noise(frame: Frame, state: State, params: Params, rng: np.random.Generator) -> Frame:
    """Gaussian noise on every value."""
    if frame.latent is None:
        return frame
    added = rng.standard_normal(frame.latent.shape, np.float32) * np.float32(params["noise"])
    return with_codes(frame, np.tanh(unbound(frame.latent) + added), state.stream.grid)


def snapshot(frame: Frame, state: State, params: Params, rng: np.random.Generator) -> Frame:
    """Toward the latent that was playing when `store` last got a new number, or when the mix began."""
    if frame.latent is None:
        return frame
    if state.kept.get("number", -1) != params["store"]:
        state.kept.update(number=params["store"], latent=frame.latent)
    stored: Codes = state.kept["latent"]
    if stored.shape != frame.latent.shape or params["mix"] == 0:
        return frame
    mix = np.float32(params["mix"])
    if mix == 1:
        return with_codes(frame, stored, state.stream.grid)
    return with_codes(frame, np.tanh((1 - mix) * unbound(frame.latent) + mix * unbound(stored)), state.stream.grid)


def levels(frame: Frame, state: State, params: Params, rng: np.random.Generator) -> Frame:
    """Round to fewer levels, evenly from -1 to 1; the frame's bits are then those of so few.

    A discrete path decodes the nearest of its own codes.
    """
    if frame.latent is None:
        return frame
    count = int(params["levels"])
    step = 2.0 / (count - 1)
    rounded = np.rint((frame.latent + 1) / step) * step - 1
    state.stream.levels = count
    return replace(
        with_codes(frame, rounded.astype(np.float32), state.stream.grid), bits=frame.latent.size * math.log2(count)
    )


def blend(frame: Frame, state: State, params: Params, rng: np.random.Generator) -> Frame:
    """On a continuous path, toward the codes of the discrete one."""
    grid = state.stream.grid
    if frame.latent is None or grid is None or state.stream.path != "continuous":
        return frame
    way = np.float32(params["blend"])
    return replace(frame, latent=(1 - way) * frame.latent + way * grid.codes(frame.tokens))
