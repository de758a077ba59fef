"""k-means of many rows (Lloyd 1982), on float32 in torch."""

from __future__ import annotations

import torch
from torch import Tensor

_CHUNK = 8192


def nearest(rows: Tensor, entries: Tensor) -> Tensor:
    """Return the index of the nearest entry [size, d] of each row [n, d]."""
    norms = entries.square().sum(1)
    return torch.cat([torch.addmm(norms, part, entries.T, alpha=-2).argmin(1) for part in rows.split(_CHUNK)])


def means(rows: Tensor, chosen: Tensor, entries: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of the rows of each entry, and how many there are; entries without rows
    stay.
    """
    counts = torch.bincount(chosen, minlength=len(entries))
    sums = torch.zeros_like(entries).index_add_(0, chosen, rows)
    return torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], entries), counts


def fit(rows: Tensor, size: int, iterations: int, seed: int) -> Tensor:
    """Return `size` entries for the rows. Entries without rows begin again at rows that are far
    from theirs.
    """
    generator = torch.Generator().manual_seed(seed)
    if len(rows) < 2 * size:
        rows = rows.repeat(-(-2 * size // len(rows)), 1)
        rows = rows + 0.01 * torch.randn(rows.shape, generator=generator)
    entries = rows[torch.randperm(len(rows), generator=generator)[:size]].clone()
    for iteration in range(iterations):
        chosen = nearest(rows, entries)
        entries, counts = means(rows, chosen, entries)
        dead = counts == 0
        if dead.any() and iteration < iterations - 1:
            far = (rows - entries[chosen]).square().sum(1) + 1e-12
            entries[dead] = rows[torch.multinomial(far, int(dead.sum()), generator=generator)]
    return entries
