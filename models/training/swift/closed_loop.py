"""Books fitted again to what the codec codes: its decoded energies, its order of tokens, its beam
search.

A round is one step of Lloyd's algorithm over the rows that used a stage, each stage given the
others of its path (joint optimisation of multistage codebooks: Chan, Gupta and Gersho, IEEE
Trans. Communications 1992). The first layer and both layers count alike. Tokens are counted on
the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.swift.allocation import order
from models.swift.energies import UNIT, EnergyBooks
from models.swift.frame_layout import (
    BAND_EDGES,
    BANDS,
    BLOCKS,
    ENTRIES,
    FIRST_SHAPES,
    PAIRS,
    STAGES,
)
from models.swift.shape_books import BEAM, CLAMP
from models.training.swift.fit import Analysed, Say
from models.training.swift.kmeans import means

_CHUNK = 2048
_BINS = np.repeat(np.arange(2 * BANDS).reshape(2, BANDS), np.diff(BAND_EDGES), axis=1)  # band of each bin [2, BINS]


@dataclass(frozen=True)
class CodedEnergies:
    """Energies of frames as a stream decodes them."""

    tokens: np.ndarray  # [frames, COARSE + FINE]
    decoded: np.ndarray  # int64 [frames, 2 * BANDS]
    stages: np.ndarray  # [2 layers, frames, 2 * blocks]: how many stages of each block are coded


def code_energies(data: Analysed, frames: int, books: EnergyBooks, priorities: np.ndarray) -> CodedEnergies:
    """Return the energies of the first so many frames, coded one after the other."""
    tokens, decoded, stages = [], [], np.zeros((2, frames, 2 * len(BLOCKS)), np.int64)
    before = books.mean
    measured, starts = data.energies[:frames].numpy(), data.starts[:frames].numpy()
    block_of = np.array([pair.channel * len(BLOCKS) + pair.block for pair in PAIRS])
    for frame in range(frames):
        found = books.encode(books.mean if starts[frame] else before, measured[frame])
        before = books.decode(books.mean if starts[frame] else before, found[:3])
        pairs = order(priorities, before)
        for layer, kept in enumerate((pairs[:FIRST_SHAPES], pairs)):
            stages[layer, frame] = np.bincount(block_of[kept], minlength=2 * len(BLOCKS))
        tokens.append(found)
        decoded.append(before)
    return CodedEnergies(np.stack(tokens), np.stack(decoded), stages)


def improve(
    data: Analysed, coded: CodedEnergies, books: list[Tensor], frequencies: np.ndarray, first_context: int, say: Say
) -> list[Tensor]:  # fmt: skip
    """Return the shape books after one round; count the tokens of both layers in `frequencies`
    [contexts, ENTRIES].
    """
    frames, context, improved = len(coded.decoded), first_context, []
    error = (data.energies[:frames] - torch.from_numpy(coded.decoded)) / (20 * UNIT)
    rescale = torch.pow(10, error)
    for block, (low, high) in enumerate(BLOCKS):
        rows, counts = [], []
        for layer in (0, 1):
            for channel in (0, 1):
                stages = torch.from_numpy(coded.stages[layer, :, channel * len(BLOCKS) + block])
                used = (stages > 0).nonzero()[:, 0]
                shape = data.shapes[used, channel, low:high].float() * rescale[used][:, _BINS[channel, low:high]]
                rows.append(shape.clamp(-CLAMP, CLAMP))
                counts.append(stages[used])
        new, tokens = lloyd(torch.cat(rows), torch.cat(counts), books[block])
        for stage in range(STAGES[block]):
            seen = tokens[stage][tokens[stage] >= 0]
            frequencies[context] += np.bincount(seen.numpy(), minlength=ENTRIES)
            context += 1
        improved.append(new)
        if block % 8 == 7:
            say(f"closed loop: {block + 1} of {len(BLOCKS)} blocks")
    return improved


def lloyd(rows: Tensor, counts: Tensor, books: Tensor) -> tuple[Tensor, Tensor]:
    """Return books [stages, ENTRIES, d] moved to the rows [n, d] that use them, and the tokens
    [stages, n] (-1: none).

    `counts` [n] is how many stages code each row.
    """
    tokens = torch.full((len(books), len(rows)), -1)
    for count in range(1, len(books) + 1):
        chosen = (counts == count).nonzero()[:, 0]
        for part in chosen.split(_CHUNK):
            tokens[:count, part] = search(rows[part], books[:count])
    books, left = books.clone(), rows.clone()
    for stage in range(len(books)):
        used = tokens[stage] >= 0
        left[used] -= books[stage][tokens[stage][used]]
    for stage in range(len(books)):
        used = tokens[stage] >= 0
        chosen = tokens[stage][used]
        wanted = left[used] + books[stage][chosen]
        books[stage] = means(wanted, chosen, books[stage])[0].half().float()
        left[used] = wanted - books[stage][chosen]
    return books, tokens


def search(rows: Tensor, books: Tensor) -> Tensor:
    """Return the tokens [stages, n] of rows [n, d] by the beam search that the codec uses."""
    left, paths = rows[:, None], torch.zeros(len(rows), 1, 0, dtype=torch.long)
    for stage, entries in enumerate(books):
        distance = entries.square().sum(1) - 2 * left @ entries.T + left.square().sum(2, keepdim=True)
        kept = 1 if stage == len(books) - 1 else BEAM
        best = distance.flatten(1).topk(kept, dim=1, largest=False).indices
        beams, tokens = best // len(entries), best % len(entries)
        index = beams[..., None]
        left = left.gather(1, index.expand(-1, -1, rows.shape[1])) - entries[tokens]
        paths = torch.cat([paths.gather(1, index.expand(-1, -1, stage)), tokens[..., None]], dim=2)
    return paths[:, 0].T
