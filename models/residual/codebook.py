"""One codebook: nearest-neighbour lookup, and how its entries are trained.

Entries are running means of the vectors that chose them (van den Oord et al., arXiv 1711.00937;
SoundStream, arXiv 2107.03312). They start as k-means of the first batch, and dead codes are
replaced by vectors of the current batch. Or entries are trained by gradient, as DAC's (arXiv
2306.06546), which compares directions only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KMEANS_ROUNDS = 10
MIN_COUNT = 1e-5  # running count below which an entry keeps its place


class Codebook(nn.Module):
    """`size` entries of `width` numbers.

    With `cosine`, lookup compares directions; entries keep their length.
    """

    entries: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, size: int, width: int, *, cosine: bool = False, gradient: bool = False) -> None:
        super().__init__()
        self.cosine, self.gradient = cosine, gradient
        entries = torch.randn(size, width) / width**0.5
        if gradient:
            self.entries = nn.Parameter(entries)
            return
        self.register_buffer("entries", entries)
        self.register_buffer("counts", torch.zeros(size), persistent=False)  # running mean of choices in a batch
        self.register_buffer("sums", torch.zeros(size, width), persistent=False)  # the same of the vectors' sums

    def keys(self) -> tuple[Tensor, Tensor]:
        """Return -2 e [width, size] and |e|^2 [size], which `nearest` needs.

        Valid while entries do not change.
        """
        entries = F.normalize(self.entries) if self.cosine else self.entries
        return -2 * entries.T.contiguous(), entries.square().sum(1)

    def nearest(self, x: Tensor, keys: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Return the tokens [n] of the entries nearest to x [n, width].

        The first of equally near ones.
        """
        crossed, squares = self.keys() if keys is None else keys
        if self.cosine:
            x = F.normalize(x)
        return torch.addmm(squares, x, crossed).argmin(1)

    @torch.no_grad()
    def kmeans_init(self, x: Tensor, generator: torch.Generator) -> None:
        """Set the entries to k-means of x [n, width], starting from random rows.

        Lloyd's algorithm, ten rounds.
        """
        size = len(self.entries)
        self.entries.copy_(_random_rows(x, size, generator))
        for _ in range(KMEANS_ROUNDS):
            counts, sums = self._tally(x, self.nearest(x))
            full = counts > 0
            self.entries[full] = sums[full] / counts[full, None]
        if not self.gradient:
            counts, _ = self._tally(x, self.nearest(x))
            self.counts.copy_(counts)
            self.sums.copy_(self.entries * counts[:, None])

    @torch.no_grad()
    def update(self, x: Tensor, tokens: Tensor, decay: float) -> None:
        """Move the entries that rows of x [n, width] chose towards those rows, by running means."""
        counts, sums = self._tally(x, tokens)
        self.counts.lerp_(counts, 1 - decay)
        self.sums.lerp_(sums, 1 - decay)
        known = self.counts > MIN_COUNT
        self.entries[known] = self.sums[known] / self.counts[known, None]

    @torch.no_grad()
    def replace_dead_codes(self, x: Tensor, share: float, generator: torch.Generator) -> int:
        """Replace entries chosen less often than `share` of the mean.

        They become random rows of x [n, width]. Return how many were replaced.
        """
        mean = float(self.counts.sum()) / len(self.counts)
        dead = self.counts < share * mean
        count = int(dead.sum())
        if count:
            self.entries[dead] = _random_rows(x, count, generator)
            self.counts[dead] = trial = 2 * share * mean  # some batches to be chosen in
            self.sums[dead] = self.entries[dead] * trial
        return count

    def _tally(self, x: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return how often each entry was chosen [size], and the sum of its rows [size, width]."""
        counts = torch.bincount(tokens, minlength=len(self.entries)).to(x.dtype)
        return counts, torch.zeros_like(self.entries).index_add_(0, tokens, x)


def _random_rows(x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return `count` random rows of x, each at most once if there are enough."""
    order = torch.randperm(len(x), generator=generator)
    order = order.repeat(-(-count // len(order)))[:count]
    return x[order.to(x.device)]
