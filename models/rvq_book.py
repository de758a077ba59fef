"""One codebook: looking up the nearest entry, and how entries learn.

Entries learn as running means of what they are chosen for (van den Oord et al., arXiv 1711.00937; SoundStream, arXiv
2107.03312), begin as the means that Lloyd's algorithm finds in the first batch, and those hardly chosen are put where
the data are. Or by gradient, as DAC's (arXiv 2306.06546), which looks up directions rather than places.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LLOYD = 10  # rounds of it at the start
SMALL = 1e-5


class Codebook(nn.Module):
    """`size` entries of `width` numbers. `cosine` looks up by direction alone; what is given back keeps its length.

    `view` [width] is what each number weighs in looking up: 1 unless set.
    """

    entries: Tensor
    view: Tensor | None
    counts: Tensor
    sums: Tensor

    def __init__(self, size: int, width: int, *, cosine: bool = False, gradient: bool = False) -> None:
        super().__init__()
        self.cosine, self.gradient = cosine, gradient
        self.register_buffer("view", None)
        entries = torch.randn(size, width) / width**0.5
        if gradient:
            self.entries = nn.Parameter(entries)
            return
        self.register_buffer("entries", entries)
        self.register_buffer("counts", torch.zeros(size), persistent=False)  # running means of a batch's choices
        self.register_buffer("sums", torch.zeros(size, width), persistent=False)  # and of what was in them

    def keys(self) -> tuple[Tensor, Tensor]:
        """What `nearest` compares with, good while entries do not change: -2 e [width, size], |e|^2 [size]."""
        entries = self._viewed(F.normalize(self.entries) if self.cosine else self.entries)
        return -2 * entries.T.contiguous(), entries.square().sum(1)

    def nearest(self, x: Tensor, keys: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Of x [n, width] the tokens [n]; of equally near entries the first."""
        crossed, squares = self.keys() if keys is None else keys
        if self.cosine:
            x = F.normalize(x)
        return torch.addmm(squares, self._viewed(x), crossed).argmin(1)

    def _viewed(self, x: Tensor) -> Tensor:
        return x if self.view is None else x * self.view

    @torch.no_grad()
    def begin(self, x: Tensor, generator: torch.Generator) -> None:
        """Entries from data [n, width]: random ones of them, then Lloyd's algorithm."""
        size = len(self.entries)
        self.entries.copy_(_drawn(x, size, generator))
        for _ in range(LLOYD):
            counts, sums = self._tally(x, self.nearest(x))
            full = counts > 0
            self.entries[full] = sums[full] / counts[full, None]
        if not self.gradient:
            counts, _ = self._tally(x, self.nearest(x))
            self.counts.copy_(counts)
            self.sums.copy_(self.entries * counts[:, None])

    @torch.no_grad()
    def learn(self, x: Tensor, tokens: Tensor, decay: float) -> None:
        """Move the entries chosen for x [n, width] toward it."""
        counts, sums = self._tally(x, tokens)
        self.counts.lerp_(counts, 1 - decay)
        self.sums.lerp_(sums, 1 - decay)
        known = self.counts > SMALL
        self.entries[known] = self.sums[known] / self.counts[known, None]

    @torch.no_grad()
    def restart(self, x: Tensor, share: float, generator: torch.Generator) -> int:
        """Put entries chosen less often than `share` of an even part where rows of x [n, width] are; how many."""
        even = float(self.counts.sum()) / len(self.counts)
        dead = self.counts < share * even
        count = int(dead.sum())
        if count:
            self.entries[dead] = _drawn(x, count, generator)
            self.counts[dead] = trial = 2 * share * even  # some time to be chosen in
            self.sums[dead] = self.entries[dead] * trial
        return count

    def _tally(self, x: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """How often each entry was chosen [size], and the sum of what for [size, width]."""
        counts = torch.bincount(tokens, minlength=len(self.entries)).to(x.dtype)
        return counts, torch.zeros_like(self.entries).index_add_(0, tokens, x)


def _drawn(x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """So many rows of x, each at most once if there are enough."""
    order = torch.randperm(len(x), generator=generator)
    order = order.repeat(-(-count // len(order)))[:count]
    return x[order.to(x.device)]
