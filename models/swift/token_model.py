"""Probabilities of tokens for an entropy coder: frequencies of each book, updated while
coding.

A decoder knows the book of a token before it knows the token: the coarse energies come first
and order the rest. So each book has one table, which begins as the frequencies that the books
were made with. A token that repeats the one of the last frame at its position, as in silence or a
frozen frame, is coded as a repetition: how often that happens is learnt for each position. All
arithmetic is in integers, so that any machine decodes any other's bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.codec import Tokens
from models.entropy.range_coding import PROB_ONE
from models.swift.allocation import order
from models.swift.frame_layout import BASE, COARSE, ENTRIES, FINE, PAIRS, STAGES
from models.swift.gain_control import VALUES
from models.swift.weights import CONTEXTS, SwiftWeights

PRIOR = 1 << 14  # what the tables weigh before any token is seen
SEEN = 16  # what a token that was seen weighs
LIMIT = 1 << 18  # weight at which a table forgets half
REPEATED = PROB_ONE >> 6  # probability that a position repeats its token, before any frame is seen
REPEAT_SHIFT = 5  # that probability moves by 2^-5 of its way with each frame
REPEAT_BOUNDS = PROB_ONE >> 12, PROB_ONE - (PROB_ONE >> 9)
_FIRST_SHAPE = 1 + COARSE + FINE
_DETAILS = [CONTEXTS, CONTEXTS + 1]  # tables of change and treble, which begin even
_OF_BLOCK = np.concatenate([[0], np.cumsum(STAGES)[:-1]])
_OF_PAIR = [_FIRST_SHAPE + int(_OF_BLOCK[pair.block]) + pair.stage for pair in PAIRS]


class SwiftTokenModel:
    """Adaptive model of the tokens of one stream of frames; used by one thread."""

    def __init__(self, weights: SwiftWeights, tokens: int) -> None:
        self.books, self.size, self.digest = tokens, ENTRIES, bytes.fromhex(weights.digest)
        self._weights = weights
        counts = weights.frequencies * (PRIOR - ENTRIES) // np.maximum(weights.frequencies.sum(1, keepdims=True), 1) + 1
        counts[0, :VALUES] += 1
        self._counts = np.concatenate([counts, np.full((len(_DETAILS), ENTRIES), PRIOR // ENTRIES)])
        self._totals = self._counts.sum(1)
        self._repeats = [REPEATED] * tokens
        self._energies = weights.energies.mean
        self._before: list[int] | None = None
        self._books: list[int] = []  # of the positions of this frame, as far as they are known

    def frequencies(self, book: int, before: Sequence[int]) -> npt.NDArray[np.int64]:
        """Return for each value an integer of at least 1, PROB_ONE in all; `book` is a position
        in the frame.
        """
        table, share = self._book(book, before), self._repeat_share(book)
        found = self._counts[table] * (PROB_ONE - share - ENTRIES) // self._totals[table] + 1
        if self._before is not None:
            found[self._before[book]] += share
        found[int(found.argmax())] += PROB_ONE - int(found.sum())
        return found

    def finish_step(self, tokens: Sequence[int]) -> None:
        """Learn from a frame whose frequencies were asked for position by position."""
        for position, token in enumerate(tokens):
            book = self._books[position]
            self._counts[book, token] += SEEN
            self._totals[book] += SEEN
            if self._totals[book] > LIMIT:
                self._counts[book] = (self._counts[book] + 1) >> 1
                self._totals[book] = self._counts[book].sum()
            if self._before is not None:
                now = PROB_ONE if token == self._before[position] else 0
                moved = self._repeats[position] + ((now - self._repeats[position]) >> REPEAT_SHIFT)
                self._repeats[position] = min(max(moved, REPEAT_BOUNDS[0]), REPEAT_BOUNDS[1])
        coarse = np.asarray(tokens[1 : 1 + COARSE], np.int64)
        self._energies = self._weights.energies.decode(self._energies, coarse)
        self._before, self._books = list(tokens), []

    def frame_bits(self, tokens: Tokens, books: int) -> float:
        """Return what the first `books` tokens of a frame cost, and learn from the frame."""
        frame, bits = tokens.tolist(), 0.0
        for position, token in enumerate(frame):
            book = self._book(position, frame[:position])
            if position < books:
                share = self._repeat_share(position)
                found = int(self._counts[book, token]) * (PROB_ONE - share - ENTRIES) // int(self._totals[book]) + 1
                if self._before is not None and token == self._before[position]:
                    found += share
                bits -= math.log2(found / PROB_ONE)
        self.finish_step(frame)
        return bits

    def books_of(self, frame: Sequence[int]) -> list[int]:
        """Return the book of each token of a frame, and take the frame as seen."""
        for position in range(len(frame)):
            self._book(position, frame[:position])
        found = list(self._books)
        self.finish_step(frame)
        return found

    def _book(self, position: int, before: Sequence[int]) -> int:
        """Return the book of a position's token: 0 for the attack, then those of the
        energies, then those of the shapes.
        """
        if not position:
            self._books = list(range(1 + COARSE))
        elif position == 1 + COARSE:
            coarse = np.asarray(before[1 : 1 + COARSE], np.int64)
            pairs = order(self._weights.priorities, self._weights.energies.decode(self._energies, coarse))
            shapes = [_OF_PAIR[pair] for pair in pairs.tolist()]
            first = BASE - 1 - COARSE
            every = [*range(1 + COARSE), *shapes[:first], *range(1 + COARSE, _FIRST_SHAPE), *_DETAILS, *shapes[first:]]
            self._books = every[: self.books]
        return self._books[position]

    def _repeat_share(self, position: int) -> int:
        """Return the part of PROB_ONE that the token of the last frame has for itself."""
        return 0 if self._before is None else self._repeats[position]
