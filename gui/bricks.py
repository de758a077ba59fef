"""Frames as columns of colour: one brick wide, its values from top to bottom, in no order of time within it.

A row is at least two pixels high. Where a frame has more values than that leaves room for, a row of a latent stands
for several and shows the strongest; of tokens, whose digits are no amounts that could be added, every n-th is shown.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gui.axes import TimeAxis
from gui.raster import Raster

Shades = npt.NDArray[np.uint8]  # [values], places in a colour map
ROW_PX = 2
ZERO = 127  # place in the colour map of a signed value
LINE = 255  # place in the colour map of the line between frames; values end below it
LINE_PX = 5  # bricks that are narrower have none
BAR = 190  # place in the colour map of a packet's bar


@dataclass(frozen=True)
class Brick:
    """A frame: where it is heard in input samples, and what is drawn of it."""

    start: int
    length: int
    values: Shades


def signed(latent: npt.NDArray[np.float32]) -> Shades:
    """Codes in [-1, 1]; zero is ZERO."""
    return np.clip(ZERO + ZERO * latent.reshape(-1), 0, 2 * ZERO).round().astype(np.uint8)


def ordinal(digits: npt.NDArray[np.int32], levels: int) -> Shades:
    """Levels from lowest to highest."""
    return (digits * (2.0 * ZERO / (levels - 1))).round().reshape(-1).astype(np.uint8)


def bar(size: float, largest: float) -> Shades:
    """A packet's size as a bar from the bottom: 256 values of which so many are lit."""
    lit = round(256 * min(max(size / largest, 0.0), 1.0))
    return np.where(np.arange(256) >= 256 - lit, BAR, 0).astype(np.uint8)


def to_rows(values: Shades, rows: int, *, strongest: bool) -> Shades:
    """Values to so many rows of pixels, top to bottom: repeated where they are few, thinned where they are many."""
    shown = min(len(values), max(1, rows // ROW_PX))
    group = -(-len(values) // shown)
    if group > 1:
        padded = np.pad(values, (0, -len(values) % group), mode="edge").reshape(-1, group)
        if strongest:
            at = np.abs(padded.astype(int) - ZERO).argmax(1)
            values = padded[np.arange(len(padded)), at]
        else:
            values = padded[:, 0]
    return values[np.arange(rows) * len(values) // rows]


class Wall:
    """The bricks of the last seconds, oldest first."""

    def __init__(self, *, strongest: bool, keep: int) -> None:
        self._bricks: deque[Brick] = deque(maxlen=keep)
        self._strongest = strongest

    def add(self, brick: Brick) -> None:
        self._bricks.append(brick)

    def lay(self, brick: Brick, raster: Raster, axis: TimeAxis) -> None:
        """Draw one."""
        first, stop = axis.column(brick.start), axis.column(brick.start + brick.length)
        rows = to_rows(brick.values, raster.rows, strongest=self._strongest)
        block = np.repeat(rows[:, None], max(1, stop - first), axis=1)
        if stop - first >= LINE_PX:
            block[:, 0] = LINE
        raster.write(first, block)

    def lay_all(self, raster: Raster, axis: TimeAxis) -> None:
        """Draw all, on a raster that is new."""
        for brick in self._bricks:
            self.lay(brick, raster, axis)

    def at(self, sample: int) -> Brick | None:
        """The brick that has a sample."""
        return next((b for b in reversed(self._bricks) if b.start <= sample < b.start + b.length), None)
