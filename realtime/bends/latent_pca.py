"""Macros: the eight directions in which the incoming latents vary most, learned while `learn` is
on.

They are principal components of the 64 channels before their bound, or of the whole latent where it
has no bound, strongest first, each with the sign that makes its largest element positive. A minute
of music is plenty. Directions stay until others are learned.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.codec import Frame
from realtime.bends.bend import Bend, Params, number, switch
from realtime.bends.context import BendState
from realtime.bends.latents import CHANNELS

DIRECTIONS = 8
MIN_ROWS = 128  # rows of 64 channels; fewer are not enough to learn from


def macro(frame: Frame, state: BendState, params: Params, rng: np.random.Generator) -> Frame:
    """Learn directions while `learn` is on; move along learned ones by `move` standard deviations
    each.
    """
    if frame.latent is None:
        return frame
    width = CHANNELS if state.stream.spec.bounded else frame.latent.size
    if frame.latent.size % width:
        return frame
    rows = state.stream.values(frame.latent).reshape(-1, width)
    learned = state.stream.learned
    if params["learn"]:
        _accumulate(learned, rows.astype(np.float64))
    elif "count" in learned:
        _fit_directions(learned)
    moves = np.asarray(params["move"], np.float32)
    if not moves.any() or "directions" not in learned:
        return frame
    directions = learned["directions"]
    moved = (rows + moves[: len(directions)] @ directions).reshape(frame.latent.shape)
    return state.stream.with_values(frame, moved)


def _accumulate(learned: dict[str, Any], rows: npt.NDArray[np.float64]) -> None:
    if "count" not in learned:
        width = rows.shape[1]
        learned.update(count=0, sum=np.zeros(width), squares=np.zeros((width, width)))
    learned["count"] += len(rows)
    learned["sum"] += rows.sum(axis=0)
    learned["squares"] += rows.T @ rows


def _fit_directions(learned: dict[str, Any]) -> None:
    """Replace the sums by directions [8, width], or fewer, each one standard deviation long."""
    count, total, squares = learned.pop("count"), learned.pop("sum"), learned.pop("squares")
    if count < MIN_ROWS:
        return
    mean = total / count
    variances, vectors = np.linalg.eigh(squares / count - np.outer(mean, mean))
    strongest = vectors[:, ::-1][:, :DIRECTIONS].T * np.sqrt(variances[::-1][:DIRECTIONS].clip(0.0))[:, None]
    largest = np.abs(strongest).argmax(axis=1)
    signs = np.sign(strongest[np.arange(len(strongest)), largest])
    learned["directions"] = (strongest * np.where(signs == 0, 1.0, signs)[:, None]).astype(np.float32)


MACRO = Bend(
    "macro",
    macro,
    (
        switch("macro.learn", "learn directions from the input; they are ready when this is off again"),
        number(
            "macro.move",
            float,
            0.0,
            "move along each learned direction, in standard deviations",
            -4,
            4,
            size=DIRECTIONS,
        ),
    ),
    amounts=("macro.learn", "macro.move"),
    random_stream=7,
    needs_tokens=True,
)
