"""Sizes of swift: bands of energies, blocks of bins, the tokens of a frame and the steps of the
residual books.

    A  E1 E2 E3  C1 ... C28 | E4 E5 E6 V H  C29 ... C55    64 tokens of 10 bits in a frame of 1280 samples

A is the attack, E are band energies, V is a change of level of some slots, H the levels above the
bands, C are shapes of blocks. Any prefix of MIN_TOKENS tokens or
more can be decoded. The first 8, 16, 32 and 64 tokens are 3, 6, 12 and 24 kbit/s.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

RATE, CHANNELS, HOP = 48_000, 2, 1280
ENTRIES, BITS = 1024, 10  # entries of a book, bits of a token
TOKENS, BASE, MIN_TOKENS, DEFAULT_TOKENS = 64, 32, 8, 32  # of a frame; of its first layer; fewest; those of "swift"
COARSE, FINE = 3, 3  # energy tokens in the first layer, in the second
CHANGE, TREBLE = BASE + FINE, BASE + FINE + 1  # positions of V and H
FIRST_SHAPES = BASE - 1 - COARSE  # shape tokens in the first layer
SHAPES = TOKENS - 1 - COARSE - FINE - 2  # shape tokens in all
KBPS_PER_TOKEN = BITS * RATE / HOP / 1000

BIN = RATE / 2 / HOP  # Hz
SPLIT = 32  # first bin of the part that gain control works on: 600 Hz
BANDS, GROWTH, NARROWEST, TOP = 21, 5.2, 4, 17_000  # of energies: number, growth, bins, Hz
BLOCK_TOP, BLOCK_WIDTHS = 15_000, (10, 100)  # of shapes: Hz, bins of the lowest and of the highest

Array = npt.NDArray[np.float32]


def band_edges() -> list[int]:
    """Return the edges of the energy bands in bins, BANDS + 1 of them; SPLIT is one."""
    grown = (2 ** (GROWTH * np.arange(BANDS + 1) / BANDS) - 1) / (2**GROWTH - 1) * TOP / BIN
    edges = np.round(np.cumsum(np.maximum(np.diff(grown), NARROWEST))).astype(int)
    return _with_edge([0, *edges.tolist()], SPLIT)


def block_edges() -> list[int]:
    """Return the edges of the shape blocks in bins; the lowest bin is left out, SPLIT is an edge."""
    low, high = 1, int(BLOCK_TOP / BIN)
    narrow, wide = BLOCK_WIDTHS
    edges = [low]
    while edges[-1] < high:
        place = (edges[-1] - low) / (high - low)
        edges.append(min(high, edges[-1] + round(narrow * (wide / narrow) ** place)))
    if edges[-1] - edges[-2] < 0.6 * (edges[-2] - edges[-3]):
        del edges[-2]
    return _with_edge(edges, SPLIT)


def _with_edge(edges: list[int], bin: int) -> list[int]:
    """Return the edges with the one nearest to `bin` moved there."""
    nearest = min(range(len(edges)), key=lambda place: abs(edges[place] - bin))
    return [bin if place == nearest else edge for place, edge in enumerate(edges)]


def stages_of(width: int) -> int:
    """Return the number of residual books of a block: the narrower, the more are worth their
    bits.
    """
    return 6 if width < 16 else 5 if width < 32 else 4 if width < 64 else 3


@dataclass(frozen=True)
class Pair:
    """One shape token's place: a stage of a block of one channel (0 is mid, 1 is side)."""

    channel: int
    block: int
    stage: int


BAND_EDGES = band_edges()
BINS = BAND_EDGES[-1]  # coded bins of a channel; those above are 0
BLOCKS = list(pairwise(block_edges()))  # (first bin, bin after the last)
STAGES = [stages_of(high - low) for low, high in BLOCKS]
PAIRS = [
    Pair(channel, block, stage)
    for channel in range(CHANNELS)
    for block in range(len(BLOCKS))
    for stage in range(STAGES[block])
]
BAND_OF_BIN = np.repeat(np.arange(BANDS), np.diff(BAND_EDGES))  # [BINS]
BAND_WIDTHS = np.diff(BAND_EDGES)  # [BANDS]


def shape_positions(tokens: int) -> list[int]:
    """Return the positions of the shape tokens among the first so many tokens of a frame, most
    important first.
    """
    every = [*range(1 + COARSE, BASE), *range(TREBLE + 1, TOKENS)]
    return [position for position in every if position < tokens]


def fine_positions(tokens: int) -> list[int]:
    """Return the positions of the refining energy tokens among the first so many tokens of a
    frame.
    """
    return [position for position in range(BASE, BASE + FINE) if position < tokens]
