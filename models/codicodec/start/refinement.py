"""Fractions of indices: corrections of the strongest decoded bins of their blocks.

The first index of a block corrects the three strongest bins, the next index the next three. Half a
fraction is half the correction, so from discrete to continuous codes the sound changes smoothly.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.codicodec.start.block_books import Order, Shapes, split
from models.codicodec.start.block_order import CLASSES, MOST_STAGES, Mode
from models.codicodec.start.digit_layout import INDEX_DIGITS, Array

SLOPE = 0.13  # fraction for an error of one root mean square
LARGEST = 0.4  # fraction


def fractions(mode: Mode, shapes: Array, decoded: Shapes, order: Order) -> npt.NDArray[np.float64]:
    """Return the fractions of the digits [INDICES * 3] for normalised coefficients `shapes`."""
    places, exist = _corrected_bins(mode, decoded, order)
    error = (shapes - decoded.values).reshape(-1)[places]
    return (np.clip(SLOPE * error, -LARGEST, LARGEST) * exist).astype(np.float64)


def corrected(mode: Mode, decoded: Shapes, order: Order, given: npt.NDArray[np.float64]) -> Array:
    """Return the decoded shapes [2, segments, length] with the corrections of fractions added."""
    if not given.any():
        return decoded.values
    places, exist = _corrected_bins(mode, decoded, order)
    values = decoded.values.reshape(-1).copy()
    values[places[exist]] += (given[exist] / SLOPE).astype(np.float32)
    return values.reshape(decoded.values.shape)


def _corrected_bins(
    mode: Mode, decoded: Shapes, order: Order
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:  # fmt: skip
    """Return the bin of [2, segments, length] that each digit corrects, and whether there is one."""
    blocks = len(mode.blocks)
    rest, stage = np.divmod(order, MOST_STAGES)
    segment, block = np.divmod(rest, blocks)  # both channels' segments, one after the other
    kinds = np.array([block[0] for block in mode.blocks])[block]
    places = np.zeros((len(order), INDEX_DIGITS), np.int64)
    exist = np.zeros(places.shape, bool)
    for kind, (own, bins) in enumerate(mode.spans):
        mine = kinds == kind
        if not mine.any():
            continue
        width = CLASSES[kind][0]
        rows = split(np.abs(decoded.values), bins, width).reshape(2 * mode.segments, -1, width)
        ranked = np.argsort(-rows[segment[mine], block[mine] - own.start], axis=-1, kind="stable")
        rank = INDEX_DIGITS * stage[mine, None] + np.arange(INDEX_DIGITS)
        inside = np.take_along_axis(ranked, np.minimum(rank, width - 1), axis=1)
        first = segment[mine] * mode.length + bins.start + (block[mine] - own.start) * width
        places[mine], exist[mine] = first[:, None] + inside, rank < width
    return places.reshape(-1), exist.reshape(-1)
