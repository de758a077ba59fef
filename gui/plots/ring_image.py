"""Image memory of a scrolling plot.

Every column is written twice, so that any window is a view without a copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QImage

from gui.widgets import theme

EMPTY = 0xFF000000 | int(theme.SUNKEN[1:], 16)


class RingImage:
    """Image columns with absolute numbers; the newest `columns` are kept.

        number   8  9 10 11 | 8  9 10 11      capacity 4: column 10 is at 2 and at 6,
                       └──window──┘           and columns 10, 11, 12, 13 will be contiguous

    Pixels are stored in the format of the screen (0xffrrggbb), because a colour lookup at every
    paint is the largest cost.
    """

    def __init__(self, rows: int, columns: int, colours: Sequence[int]) -> None:
        """Create an empty image; `colours` is the colour map that blocks index."""
        self.rows, self.columns = rows, columns
        self._colours = np.asarray(colours, np.uint32)
        self._pixels = np.full((rows, 2 * columns), EMPTY, np.uint32)
        self._flat = self._pixels.reshape(-1)

    def write(self, first: int, block: npt.NDArray[np.uint8]) -> None:
        """Write columns [rows, n] from number `first`, row 0 at the top; only the last `columns`
        are kept.
        """
        if block.shape[1] > self.columns:
            first, block = first + block.shape[1] - self.columns, block[:, -self.columns :]
        pixels = self._colours[block]
        start, count = first % self.columns, block.shape[1]
        head = min(count, self.columns - start)
        for place in (start, start + self.columns):
            self._pixels[:, place : place + head] = pixels[:, :head]
        if count > head:
            self._pixels[:, : count - head] = pixels[:, head:]
            self._pixels[:, self.columns : self.columns + count - head] = pixels[:, head:]

    def window(self, end: int, count: int) -> npt.NDArray[np.uint32]:
        """Return a view of the `count` columns before number `end`."""
        start = (end - count) % self.columns
        return self._pixels[:, start : start + count]

    def to_qimage(self, end: int, count: int) -> QImage:
        """Return the same window as a QImage that shares this memory; paint it before the next
        write.
        """
        start = (end - count) % self.columns
        pitch = self._pixels.strides[0]
        return QImage(self._flat[start:].data.cast("B"), count, self.rows, pitch, QImage.Format.Format_RGB32)
