"""Frames as columns of colour, with the values of a frame from top to bottom (not in time order).

A row is at least two pixels high. If a frame has more values than rows, a row of a latent shows the
strongest of several values; of tokens, whose digits are labels, every n-th value is shown.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gui.plots.axes import TimeAxis
from gui.plots.ring_image import RingImage

Shades = npt.NDArray[np.uint8]  # [values], indices of a colour map
ROW_PX = 2
ZERO = 127  # index of zero in the colour map of signed values
LINE = 255  # index of the line between frames; values are smaller
LINE_PX = 5  # minimum width of a frame with a line
BAR = 190  # index of a packet's bar
BAR_VALUES = 256  # of a packet's bar


@dataclass(frozen=True)
class FrameColumn:
    """Frame as it is drawn: its first input sample, its length in samples, and its colours."""

    start: int
    length: int
    values: Shades
    size: float = 0.0  # bytes, of a packet
    ruled: bool = False  # with lines between the rows


def signed(latent: npt.NDArray[np.float32], span: float = 1.0) -> Shades:
    """Return the colours of values in [-span, span]; zero is ZERO."""
    shades: Shades = np.clip(ZERO + ZERO / span * latent.reshape(-1), 0, 2 * ZERO).round().astype(np.uint8)
    return shades


def ordinal(digits: npt.NDArray[np.int32], levels: int) -> Shades:
    """Return the colours of levels 0 … levels − 1."""
    return (digits * (2.0 * ZERO / (levels - 1))).round().reshape(-1).astype(np.uint8)


def bar(size: float, largest: float) -> Shades:
    """Return a packet's size as a bar from the bottom: BAR_VALUES values, lit up to size / largest."""
    found: Shades = _bars()[round(BAR_VALUES * min(max(size / largest, 0.0), 1.0))]
    return found


@functools.cache
def _bars() -> Shades:
    """Return the bars of all heights, [0 … BAR_VALUES lit, values]."""
    lit, at = np.arange(BAR_VALUES + 1)[:, None], np.arange(BAR_VALUES)
    return np.where(at >= BAR_VALUES - lit, BAR, 0).astype(np.uint8)


def to_rows(values: Shades, rows: int, *, strongest: bool) -> Shades:
    """Return values resampled to `rows` pixels, top to bottom: repeated if few, thinned if many."""
    group = _group(len(values), rows)
    if group > 1 and strongest:
        padded = np.pad(values, (0, -len(values) % group), mode="edge").reshape(-1, group)
        at = np.abs(padded.astype(int) - ZERO).argmax(1)
        strong: Shades = padded[np.arange(len(padded)), at]
        return strong[np.arange(rows) * len(strong) // rows]
    return values[_thinned(len(values), rows)]


def _group(values: int, rows: int) -> int:
    """Return how many values share a row of at least ROW_PX pixels."""
    return -(-values // min(values, max(1, rows // ROW_PX)))


@functools.lru_cache(maxsize=16)
def _thinned(values: int, rows: int) -> npt.NDArray[np.intp]:
    """Return the number of the value that each pixel shows."""
    group = _group(values, rows)
    return np.arange(rows) * -(-values // group) // rows * group


class FrameHistory:
    """Frame columns of the last seconds, oldest first."""

    def __init__(self, *, strongest: bool, keep: int) -> None:
        self._columns: deque[FrameColumn] = deque(maxlen=keep)
        self._strongest = strongest

    def add(self, column: FrameColumn) -> None:
        self._columns.append(column)

    def change(self, change: Callable[[FrameColumn], FrameColumn]) -> None:
        """Replace every column by another one."""
        self._columns = deque(map(change, self._columns), maxlen=self._columns.maxlen)

    def draw(self, column: FrameColumn, ring_image: RingImage, axis: TimeAxis) -> None:
        """Draw one column into an image."""
        first, stop = axis.column(column.start), axis.column(column.start + column.length)
        rows = to_rows(column.values, ring_image.rows, strongest=self._strongest)
        block = np.repeat(rows[:, None], max(1, stop - first), axis=1)
        if stop - first >= LINE_PX:
            block[:, 0] = LINE
        height = ring_image.rows / len(column.values)
        if column.ruled and height >= LINE_PX:
            block[(np.arange(1, len(column.values)) * height).astype(int)] = LINE
        ring_image.write(first, block)

    def draw_all(self, ring_image: RingImage, axis: TimeAxis) -> None:
        """Draw all columns into a new image."""
        for column in self._columns:
            self.draw(column, ring_image, axis)

    def at(self, sample: int) -> FrameColumn | None:
        """Return the column that covers a sample, or None."""
        return next((b for b in reversed(self._columns) if b.start <= sample < b.start + b.length), None)
