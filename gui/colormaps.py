"""The right map for the data: 256 colours each.

Energy is magma and ordinal digits are viridis (van der Walt and Smith, CC0; given here by ten anchors each, straight
between them); signed values go both ways from dark.
"""

from __future__ import annotations

import numpy as np

from gui import theme

MAGMA = ("000004", "180f3e", "451077", "721f81", "9f2f7f", "cd4071", "f1605d", "fd9567", "fec98d", "fcfdbf")
VIRIDIS = ("440154", "482878", "3e4a89", "31688e", "26828e", "1f9e89", "35b779", "6dcd59", "b4de2c", "fde725")
LINE_BETWEEN = "5a626b"
SIGNED = ("cfe3f0", "7fa9c4", "3f6a86", "1d3542", "0b0d0f", "0b0d0f", "3a2414", "7a4a26", "bb835a", "ecd3bd")


def table(*anchors: str) -> list[int]:
    """256 colours 0xffrrggbb through anchors given as rrggbb, evenly spaced."""
    values = np.array([[int(anchor[i : i + 2], 16) for i in (0, 2, 4)] for anchor in anchors], float)
    at = np.linspace(0, len(anchors) - 1, 256)
    red, green, blue = (np.interp(at, np.arange(len(anchors)), values[:, i]).round().astype(int) for i in range(3))
    return (0xFF000000 | red << 16 | green << 8 | blue).tolist()


def shades(role: str) -> list[int]:
    """From what lies behind a picture to a role's colour."""
    return table(theme.SUNKEN[1:], role[1:])


def lined(colours: list[int]) -> list[int]:
    """The same with its last colour kept for the lines between frames."""
    return [*colours[:-1], 0xFF000000 | int(LINE_BETWEEN, 16)]
