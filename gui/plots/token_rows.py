"""Rows of the lower plot, by the kind of codec: digits of tokens, codebooks, names, or packet sizes."""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gui.model.round_numbers import round_step
from gui.plots import colormaps, frame_columns
from gui.plots.frame_columns import FrameColumn, Shades
from gui.widgets import theme
from realtime.client import CodecInfo, Frame

ORDINAL = colormaps.lined(colormaps.table(*colormaps.VIRIDIS))
HUES = colormaps.lined(colormaps.hues())
HASHED_COLOURS = 255  # of tokens without an order
MAX_NAMED = 16  # books whose rows all have names
HEADROOM = 1.25  # of the packet axis above the largest packet
Ticks = list[tuple[float, str]]
Key = tuple[list[int], str, str]  # colours, and their labels at both ends


class TokenRows(Protocol):
    """Values of frames as rows of colour, with their axis and key."""

    title: str
    colours: list[int]

    @property
    def ticks(self) -> Ticks: ...
    @property
    def key(self) -> Key: ...
    def note(self, ms: float) -> str:
        """Return the meaning of a column that lasts `ms`."""

    def columns(self, frame: Frame, length: int) -> list[FrameColumn]:
        """Return the columns of a frame of `length` samples."""

    def describe(self, column: FrameColumn, height: float) -> str:
        """Return the text of a point, `height` from 0 (bottom) to 1."""

    def counts(self, frame: Frame) -> npt.NDArray[np.int64]:
        """Return how often the frame uses each symbol of the histogram."""


def rows_of(facts: CodecInfo, path: str) -> TokenRows:
    """Return the rows for a codec in slot `path`."""
    if not facts.spec.tokens:
        return PacketBars(path)
    return DigitRows(facts) if facts.levels else BookRows(facts)


def hashed(tokens: npt.NDArray[np.int32]) -> Shades:
    """Return a fixed colour of each token's name; neighbouring names differ."""
    return ((tokens.astype(np.int64) * 2654435761 >> 7) % HASHED_COLOURS).astype(np.uint8)


def value_at(column: FrameColumn, height: float) -> int:
    """Return the number of the value at a height."""
    return min(int((1 - height) * len(column.values)), len(column.values) - 1)


def spread_ticks(values: int) -> Ticks:
    """Return ticks at the first, middle and last of so many values."""
    return [(1.0, "0"), (0.5, str(values // 2)), (0.0, str(values - 1))] if values else []


class DigitRows:
    """Tokens of a finite scalar quantiser, as their digits, which have an order."""

    title, colours = "TOKENS", ORDINAL

    def __init__(self, facts: CodecInfo) -> None:
        self._facts = facts

    @property
    def ticks(self) -> Ticks:
        return spread_ticks(self._facts.spec.tokens * self._facts.spec.latent[1])

    @property
    def key(self) -> Key:
        return self.colours[:-1], "level 0", str(self._facts.levels - 1)

    def note(self, ms: float) -> str:
        spec = self._facts.spec
        digits = f"{spec.latent[1]} digits of {self._facts.levels} levels"
        return f"{spec.tokens} tokens, {digits} · a column is a frame ({ms:.0f} ms)"

    def columns(self, frame: Frame, length: int) -> list[FrameColumn]:
        digits = self._facts.digits(frame.tokens)
        return [FrameColumn(frame.start, length, frame_columns.ordinal(digits, self._facts.levels))]

    def describe(self, column: FrameColumn, height: float) -> str:
        at, dims, top = value_at(column, height), self._facts.spec.latent[1], self._facts.levels - 1
        level = round(int(column.values[at]) * top / (2 * frame_columns.ZERO))
        return f"token {at // dims}, digit {at % dims}: {level} of 0-{top}"

    def counts(self, frame: Frame) -> npt.NDArray[np.int64]:
        return np.bincount(self._facts.digits(frame.tokens).reshape(-1), minlength=self._facts.levels)


class BookRows:
    """Tokens that are names without an order: a row for each codebook where there are books, from the
    coarsest at the top to the finest; a column for each step of a frame.
    """

    title, colours = "TOKENS", HUES

    def __init__(self, facts: CodecInfo) -> None:
        spec = facts.spec
        whole = spec.books > 1 and spec.time_ordered and spec.tokens % spec.books == 0
        self._facts, self.books = facts, spec.books if whole else 0
        self._steps = spec.tokens // spec.books if whole else 1
        if self.books:
            self.title = "BOOKS"

    @property
    def ticks(self) -> Ticks:
        if not self.books:
            return spread_ticks(self._facts.spec.tokens)
        every = -(-self.books // MAX_NAMED)
        names = [f"{number + 1}" for number in range(self.books)]
        names[0] = "book 1"
        return [(1 - (number + 0.5) / self.books, names[number]) for number in range(0, self.books, every)]

    @property
    def key(self) -> Key:
        return [], "a colour is a name, not an amount", ""

    def note(self, ms: float) -> str:
        spec = self._facts.spec
        if self.books:
            return f"{self.books} books of {spec.cardinality} · coarse at the top, fine below"
        return f"{spec.tokens} tokens of {spec.cardinality} · a column is a frame ({ms:.0f} ms)"

    def columns(self, frame: Frame, length: int) -> list[FrameColumn]:
        shades = hashed(frame.tokens).reshape(self._steps, -1)
        edges = np.linspace(0, length, self._steps + 1).astype(int)
        return [
            FrameColumn(frame.start + int(begin), int(end - begin), values, ruled=bool(self.books))
            for (begin, end), values in zip(pairwise(edges), shades, strict=True)
        ]

    def describe(self, column: FrameColumn, height: float) -> str:
        at = value_at(column, height)
        return f"book {at + 1} of {self.books}" if self.books else f"token {at}"

    def counts(self, frame: Frame) -> npt.NDArray[np.int64]:
        return np.bincount(hashed(frame.tokens), minlength=HASHED_COLOURS)


class PacketBars:
    """Sizes of packets as bars over an axis in bytes, whose top is a round number."""

    title = "PACKETS"

    def __init__(self, path: str) -> None:
        self.colours = colormaps.lined(colormaps.shades(theme.PATHS[path]))
        self.top = 0.0  # bytes

    @property
    def ticks(self) -> Ticks:
        if not self.top:
            return []
        step = round_step(self.top, 4)
        return [(at * step / self.top, f"{at * step:g} B") for at in range(int(self.top / step + 1e-9) + 1)]

    @property
    def key(self) -> Key:
        return [], "", ""

    def note(self, ms: float) -> str:
        return f"a bar is a packet ({ms:.0f} ms)"

    def columns(self, frame: Frame, length: int) -> list[FrameColumn]:
        size = frame.bits / 8
        if not size:
            return []
        if size > self.top:
            step = round_step(HEADROOM * size, 4)
            self.top = step * np.ceil(HEADROOM * size / step)
        return [FrameColumn(frame.start, length, frame_columns.bar(size, self.top), size=size)]

    def rescaled(self, column: FrameColumn) -> FrameColumn:
        """Return a column as it is on the present axis."""
        values = frame_columns.bar(column.size, self.top)
        return FrameColumn(column.start, column.length, values, size=column.size)

    def describe(self, column: FrameColumn, height: float) -> str:
        return f"{column.size:.0f} bytes · {column.size * 8:.0f} bits"

    def counts(self, frame: Frame) -> npt.NDArray[np.int64]:
        return np.zeros(0, np.int64)
