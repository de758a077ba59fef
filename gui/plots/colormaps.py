"""Colour maps of 256 colours.

Energy uses magma and ordinal digits use viridis (van der Walt and Smith, CC0; ten anchors each,
linear between them). Signed values use two hues that meet in a dark zero.
"""

from __future__ import annotations

import colorsys

import numpy as np

from gui.widgets import theme

MAGMA = ("000004", "180f3e", "451077", "721f81", "9f2f7f", "cd4071", "f1605d", "fd9567", "fec98d", "fcfdbf")
VIRIDIS = ("440154", "482878", "3e4a89", "31688e", "26828e", "1f9e89", "35b779", "6dcd59", "b4de2c", "fde725")
LINE_BETWEEN = "5a626b"
SIGNED = ("cfe3f0", "7fa9c4", "3f6a86", "1d3542", "0b0d0f", "0b0d0f", "3a2414", "7a4a26", "bb835a", "ecd3bd")


def table(*anchors: str) -> list[int]:
    """Return 256 colours 0xffrrggbb, linear between evenly spaced anchors rrggbb."""
    values = np.array([[int(anchor[i : i + 2], 16) for i in (0, 2, 4)] for anchor in anchors], float)
    at = np.linspace(0, len(anchors) - 1, 256)
    red, green, blue = (np.interp(at, np.arange(len(anchors)), values[:, i]).round().astype(int) for i in range(3))
    colours: list[int] = (0xFF000000 | red << 16 | green << 8 | blue).tolist()
    return colours


def shades(role: str) -> list[int]:
    """Return a map from the plot background to a role's colour."""
    return table(theme.SUNKEN[1:], role[1:])


def hues() -> list[int]:
    """Return 256 colours whose neighbours differ in hue (by the golden ratio) and in lightness."""
    colours = []
    for number in range(256):
        red, green, blue = colorsys.hls_to_rgb(number * 0.618034 % 1, (0.34, 0.48, 0.62)[number % 3], 0.55)
        colours.append(0xFF000000 | round(255 * red) << 16 | round(255 * green) << 8 | round(255 * blue))
    return colours


def lined(colours: list[int]) -> list[int]:
    """Return the map with its last colour replaced by that of the lines between frames."""
    return [*colours[:-1], 0xFF000000 | int(LINE_BETWEEN, 16)]
