"""Shapes of blocks: residual vector quantisation with a beam search, one set of books for each mode
and class of blocks.

Multistage quantisation: Juang and Gray, ICASSP 1982; with a beam: Chan and Gersho, 1992. Mid and
side and all frequencies of a class share its books, which name place, sign and shape at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.codicodec.start.block_order import CLASSES, GEOMETRIES, MOST_STAGES, STAGES, Mode
from models.codicodec.start.digit_layout import MODES, Array

BEAM = 4
CLAMP = 12.0  # of a normalised coefficient

Order = npt.NDArray[np.int64]  # [INDICES], places in [2, segments, blocks, MOST_STAGES]


@dataclass(frozen=True)
class Shapes:
    """Shapes of a frame as they are decoded."""

    values: Array  # [2, segments, length], over the band's root mean square
    counts: npt.NDArray[np.int64]  # [2, segments, blocks]: stages that are coded


@dataclass(frozen=True)
class BlockBooks:
    """Books [stages, ENTRIES, width], float32, by (segments, class)."""

    books: dict[tuple[int, int], Tensor]

    def __post_init__(self) -> None:
        norms = {key: book.square().sum(-1) for key, book in self.books.items()}
        object.__setattr__(self, "_norms", norms)

    def quantise(self, mode: Mode, shapes: Array, order: Order) -> tuple[npt.NDArray[np.int64], Shapes]:
        """Return the entry of each of the ordered pairs, and what they decode to.

        `shapes` [2, segments, length] are normalised coefficients.
        """
        counts = counts_of(mode, order)
        entries = np.zeros((*counts.shape, MOST_STAGES), np.int64)
        values = np.zeros_like(shapes)
        for kind, (own, bins) in enumerate(mode.spans):
            used = counts[..., own] > 0
            if not used.any():
                continue
            rows = split(shapes, bins, CLASSES[kind][0]).clip(-CLAMP, CLAMP)
            found, sums = self.search((mode.segments, kind), torch.from_numpy(rows[used]), counts[..., own][used])
            entries[..., own, : found.shape[1]][used] = found.numpy()
            decoded = np.zeros_like(rows)
            decoded[used] = sums.numpy()
            values[..., bins] = decoded.reshape(*values.shape[:2], -1)
        return entries.reshape(-1)[order], Shapes(values, counts)

    def decode(self, mode: Mode, indices: npt.NDArray[np.int64], order: Order) -> Shapes:
        """Return the shapes of the entries of the ordered pairs."""
        counts = counts_of(mode, order)
        entries = np.full(counts.size * MOST_STAGES, -1, np.int64)
        entries[order] = indices
        entries = entries.reshape(*counts.shape, MOST_STAGES)
        values = np.zeros((2, mode.segments, mode.length), np.float32)
        for kind, (own, bins) in enumerate(mode.spans):
            sums = np.zeros((*counts[..., own].shape, CLASSES[kind][0]), np.float32)
            for stage in range(STAGES[kind]):
                chosen = entries[..., own, stage]
                used = chosen >= 0
                if used.any():
                    sums[used] += self.books[mode.segments, kind][stage].numpy()[chosen[used]]
            values[..., bins] = sums.reshape(*values.shape[:2], -1)
        return Shapes(values, counts)

    def search(self, key: tuple[int, int], rows: Tensor, counts: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the entries [n, stages] of rows [n, width] coded with so many stages each, and their sums.

        Entries of stages beyond a row's count are 0.
        """
        books, norms = self.books[key], self._norms[key]  # type: ignore[attr-defined]
        wanted = torch.from_numpy(counts)
        entries = torch.zeros(len(rows), int(wanted.max()), dtype=torch.long)
        sums, left = torch.zeros_like(rows), rows[:, None]
        paths = torch.zeros(len(rows), 1, 0, dtype=torch.long)
        live = torch.arange(len(rows))
        for stage in range(entries.shape[1]):
            book = books[stage]
            distance = norms[stage] - 2 * left @ book.T + left.square().sum(2, keepdim=True)
            best = distance.flatten(1).topk(BEAM, dim=1, largest=False).indices
            beams, chosen = best // len(book), best % len(book)
            left = left.gather(1, beams[..., None].expand(-1, -1, rows.shape[1])) - book[chosen]
            paths = torch.cat([paths.gather(1, beams[..., None].expand(-1, -1, stage)), chosen[..., None]], dim=2)
            done = wanted[live] == stage + 1
            entries[live[done], : stage + 1] = paths[done, 0]
            sums[live[done]] = rows[live[done]] - left[done, 0]
            live, left, paths = live[~done], left[~done], paths[~done]
        return entries, sums


def counts_of(mode: Mode, order: Order) -> npt.NDArray[np.int64]:
    """Return how many stages of each block [2, segments, blocks] an order codes."""
    blocks = 2 * mode.segments * len(mode.blocks)
    return np.bincount(order // MOST_STAGES, minlength=blocks).reshape(2, mode.segments, -1)


def split(values: Array, bins: slice, width: int) -> Array:
    """Return the blocks [2, segments, blocks, width] of bins of [2, segments, length]."""
    return values[..., bins].reshape(*values.shape[:2], -1, width)


def book_shapes() -> dict[tuple[int, int], tuple[int, int]]:
    """Return (stages, width) of the books of each mode and class that has blocks."""
    return {
        (segments, kind): (STAGES[kind], CLASSES[kind][0])
        for segments in MODES
        for kind, (own, _) in enumerate(GEOMETRIES[segments].spans)
        if own.stop > own.start
    }
