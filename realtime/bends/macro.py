"""Macros: eight directions in which the player's own latents vary most, learned by listening.

Principal components of the 64 channels before their bound, strongest first, each with the sign that makes its largest
element positive. A minute of music is plenty; what is learned stays until something else is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.codec import Frame
from realtime.bend_params import CHANNELS, MACROS
from realtime.bends.grid import unbound, with_codes
from realtime.bends.state import Params, State

LEAST = 128  # rows of 64 channels, below which nothing is learned


def macro(frame: Frame, state: State, params: Params, rng: np.random.Generator) -> Frame:
    """Learn while told so; move by so many standard deviations along what has been learned."""
    if frame.latent is None or frame.latent.size % CHANNELS:
        return frame
    rows = unbound(frame.latent).reshape(-1, CHANNELS)
    learned = state.stream.learned
    if params["learn"]:
        _listen(learned, rows.astype(np.float64))
    elif "count" in learned:
        _conclude(learned)
    moves = np.asarray(params["move"], np.float32)
    if not moves.any() or "directions" not in learned:
        return frame
    moved = np.tanh(rows + moves @ learned["directions"]).reshape(frame.latent.shape)
    return with_codes(frame, moved, state.stream.grid)


def _listen(learned: dict[str, Any], rows: npt.NDArray[np.float64]) -> None:
    if "count" not in learned:
        learned.update(count=0, sum=np.zeros(CHANNELS), squares=np.zeros((CHANNELS, CHANNELS)))
    learned["count"] += len(rows)
    learned["sum"] += rows.sum(axis=0)
    learned["squares"] += rows.T @ rows


def _conclude(learned: dict[str, Any]) -> None:
    """Directions [8, 64], one standard deviation long; the sums are forgotten."""
    count, total, squares = learned.pop("count"), learned.pop("sum"), learned.pop("squares")
    if count < LEAST:
        return
    mean = total / count
    variances, vectors = np.linalg.eigh(squares / count - np.outer(mean, mean))
    strongest = vectors[:, ::-1][:, :MACROS].T * np.sqrt(variances[::-1][:MACROS].clip(0.0))[:, None]
    largest = np.abs(strongest).argmax(axis=1)
    signs = np.sign(strongest[np.arange(MACROS), largest])
    learned["directions"] = (strongest * np.where(signs == 0, 1.0, signs)[:, None]).astype(np.float32)
