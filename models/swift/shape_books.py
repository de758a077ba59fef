"""Residual vector quantisation of blocks of normalised coefficients, with a beam search.

Residual (multistage) vector quantisation: Juang and Gray, ICASSP 1982; with a beam (M-search):
Chan and Gersho, 1992. Mid and side share the books. A wide block has sparse books: an entry is a
peak with its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.swift.energies import smallest
from models.swift.frame_layout import BLOCKS, PAIRS, STAGES, Array

BEAM = 4
CLAMP = 12.0  # of a normalised coefficient


class ShapeBooks:
    """Books by block and stage, shared by all streams."""

    def __init__(self, entries: Sequence[Sequence[Array]]) -> None:
        """Take for each block and stage its entries, float32 [ENTRIES, bins of the block]."""
        self.entries = entries
        self._products = [[np.ascontiguousarray(-2 * book.T) for book in books] for books in entries]
        self._norms = [[np.square(book).sum(1) for book in books] for books in entries]

    def encode(self, block: int, shape: Array, stages: int) -> list[int]:
        """Return the tokens of the first so many stages for a shape [bins of the block]."""
        entries, residual = self.entries[block], shape[None]
        paths: list[list[int]] = [[]]
        for stage in range(stages):
            distance = residual @ self._products[block][stage] + self._norms[block][stage]
            distance += np.square(residual).sum(1, keepdims=True)
            kept = 1 if stage == stages - 1 else BEAM
            best = smallest(distance.reshape(-1), kept)
            rows, tokens = np.divmod(best, distance.shape[1])
            paths = [[*paths[row], token] for row, token in zip(rows.tolist(), tokens.tolist(), strict=True)]
            if stage < stages - 1:
                residual = residual[rows] - entries[stage][tokens]
        return paths[0]

    def quantise(self, shapes: Array, pairs: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
        """Return the token of each of the pairs, for normalised coefficients [2, BINS].

        The pairs hold the first stages of any of their blocks. The number of pairs
        determines the stages of the search.
        """
        found = np.full(len(PAIRS), -1, np.int32)
        used = np.zeros(len(PAIRS), bool)
        used[pairs] = True
        shapes = shapes.clip(-CLAMP, CLAMP)
        place = 0
        for channel in range(len(shapes)):
            for block, (low, high) in enumerate(BLOCKS):
                stages = int(used[place : place + STAGES[block]].sum())
                if stages:
                    found[place : place + stages] = self.encode(block, shapes[channel, low:high], stages)
                place += STAGES[block]
        return found[pairs]

    def decode(self, chosen: Sequence[tuple[int, int]], bins: int) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Return the sum of the entries [2, bins] of pairs and their tokens, and which bins some
        token was spent on.
        """
        shapes, coded = np.zeros((2, bins), np.float32), np.zeros((2, bins), bool)
        for number, token in chosen:
            pair = PAIRS[number]
            low, high = BLOCKS[pair.block]
            shapes[pair.channel, low:high] += self.entries[pair.block][pair.stage][token]
            coded[pair.channel, low:high] = True
        return shapes, coded
