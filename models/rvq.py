"""Residual vector quantisation: each codebook says what those before it left over.

    z ─┬─► book 0 ─► q0 ─┐            R = frames a second × books × log2(entries)      bits a second
       └─ z - q0 ─► book 1 ─► q1 ─┐
                    └─ ...         ▼  decoded: q0 + q1 + ...; with fewer books less, of the same tokens

SoundStream (Zeghidour et al., arXiv 2107.03312) and EnCodec (arXiv 2210.13438); factorised lookup after DAC (arXiv
2306.06546): the residual is projected to few numbers, looked up there, and projected back. Product quantisation
cuts a latent in groups of channels, each with books of its own; tokens go book by book, in each the groups in order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.codec import CodecError
from models.rvq_book import Codebook


@dataclass(frozen=True)
class QuantiserConfig:
    """One quantiser, checked when made."""

    width: int  # channels of a latent
    books: int
    size: int = 1024  # entries of a book
    groups: int = 1  # parts of the channels with books of their own
    lookup: int = 0  # numbers that a residual is projected to for its lookup; 0: it is looked up as it is
    cosine: bool = False  # look up directions
    gradient: bool = False  # books learn by gradient, not as running means

    def __post_init__(self) -> None:
        if self.width % self.groups:
            raise CodecError(f"width {self.width} must be a multiple of groups {self.groups}")
        if min(self.width, self.books, self.size - 1, self.groups) < 1:
            raise CodecError(f"width {self.width}, books {self.books}, size {self.size}: give 1, 1 and 2 or more")

    @property
    def tokens(self) -> int:
        """Of one step."""
        return self.books * self.groups

    @property
    def bits(self) -> float:
        """Of one step, all books."""
        return self.tokens * math.log2(self.size)


@dataclass(frozen=True)
class Learning:
    """How books are trained."""

    decay: float = 0.99
    restart: float = 0.1  # entries chosen less often than this part of an even share are put elsewhere; 0: never
    kmeans: bool = True


@dataclass(frozen=True)
class Quantised:
    """What training gets: codes [B, width, S] with a gradient straight through, tokens [B, K, S], two losses."""

    codes: Tensor
    tokens: Tensor
    commitment: Tensor  # of the latent to its codes, the mean over items of the sum over books
    codebook: Tensor  # of the codes to the latent: what teaches books that learn by gradient


class Stage(nn.Module):
    """One codebook of one group, and the way into its space and back."""

    def __init__(self, config: QuantiserConfig) -> None:
        super().__init__()
        width = config.width // config.groups
        inner = config.lookup or width
        self.into = nn.Linear(width, inner) if config.lookup else None
        self.back = nn.Linear(inner, width) if config.lookup else None
        self.book = Codebook(config.size, inner, cosine=config.cosine, gradient=config.gradient)

    def project(self, x: Tensor) -> Tensor:
        return x if self.into is None else self.into(x)

    def code(self, tokens: Tensor) -> Tensor:
        """Tokens [n] to codes [n, width]."""
        inner = F.embedding(tokens, self.book.entries)
        return inner if self.back is None else self.back(inner)


class ResidualQuantiser(nn.Module):
    """Books × groups. `forward` is for training; a stream uses `Lookup`."""

    def __init__(self, config: QuantiserConfig, learning: Learning | None = None) -> None:
        super().__init__()
        self.config, self.learning = config, learning or Learning()
        self.stages = nn.ModuleList(Stage(config) for _ in range(config.tokens))
        self.begun = False  # whether books have seen data
        self.generator = torch.Generator().manual_seed(0)  # of what training draws

    @property
    def all(self) -> list[Stage]:
        """The stages, book by book, in each the groups in order."""
        return list(self.stages)  # type: ignore[arg-type]

    def rows(self, z: Tensor) -> Tensor:
        """[B, width, S] to rows of groups [B * S, groups, width / groups]."""
        return z.transpose(1, 2).reshape(-1, self.config.groups, self.config.width // self.config.groups)

    def forward(self, z: Tensor, books: Tensor | None = None) -> Quantised:
        """Quantise z [B, width, S], the first books [B] of each item (None: all); in training mode the books learn."""
        config, learning = self.config, self.learning
        B, _, S = z.shape
        rows = self.rows(z)
        used = torch.full((B,), config.books, device=z.device) if books is None else books
        used = used.repeat_interleave(S)  # of each row
        total = torch.zeros_like(rows)
        commitment = codebook = z.new_zeros(())
        tokens: list[Tensor] = []
        fresh = self.training and not self.begun and learning.kmeans
        for number, stage in enumerate(self.all):
            book, group = divmod(number, config.groups)
            on = (used > book)[:, None]
            inner = stage.project(rows[:, group] - total[:, group].detach())
            chosen = inner.detach()[on[:, 0]]
            if fresh and len(chosen):
                stage.book.begin(chosen, self.generator)
            found = stage.book.nearest(inner.detach())
            entry = F.embedding(found, stage.book.entries)
            if self.training and not config.gradient and len(chosen):
                stage.book.learn(chosen, found[on[:, 0]], learning.decay)
                if learning.restart:
                    stage.book.restart(chosen, learning.restart, self.generator)
            share = on / B / S / inner.shape[1]
            commitment = commitment + ((inner - entry.detach()).square() * share).sum()
            if config.gradient:
                codebook = codebook + ((entry - inner.detach()).square() * share).sum()
            straight = inner + (entry - inner).detach()
            code = straight if stage.back is None else stage.back(straight)
            total = total.index_add(1, torch.tensor([group], device=z.device), (code * on)[:, None])
            tokens.append(found.reshape(B, S))
        self.begun = self.begun or self.training
        if not config.lookup:  # each book passed the gradient on: once is enough
            total = rows + (total - rows).detach()
        return Quantised(total.reshape(B, S, -1).transpose(1, 2), torch.stack(tokens, 1), commitment, codebook)


class Lookup:
    """A frozen quantiser's tables, for streams. One thread at a time; make another when weights have changed."""

    def __init__(self, quantiser: ResidualQuantiser) -> None:
        self._quantiser = quantiser
        self._stages = quantiser.all
        self._keys = [stage.book.keys() for stage in self._stages]

    def tokens(self, z: Tensor) -> Tensor:
        """Latents [S, width] to tokens [S, K]."""
        rest = list(z.chunk(self._quantiser.config.groups, dim=1))
        found = []
        for number, (stage, keys) in enumerate(zip(self._stages, self._keys, strict=True)):
            group = number % len(rest)
            tokens = stage.book.nearest(stage.project(rest[group]), keys)
            rest[group] = rest[group] - stage.code(tokens)
            found.append(tokens)
        return torch.stack(found, 1)

    def codes(self, tokens: Tensor, heard: list[bool]) -> Tensor:
        """Tokens [S, K] to codes [S, width], of the books that are heard, one bool for each."""
        config = self._quantiser.config
        total = [tokens.new_zeros(len(tokens), config.width // config.groups, dtype=torch.float32)] * config.groups
        for number, stage in enumerate(self._stages):
            book, group = divmod(number, config.groups)
            if heard[book]:
                total[group] = total[group] + stage.code(tokens[:, number])
        return torch.cat(total, 1)
