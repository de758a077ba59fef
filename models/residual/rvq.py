"""Residual vector quantisation: each codebook codes what those before it left over.

    z ─┬─► book 0 ─► q0 ─┐            bit rate = frames a second × books × log2(entries)
       └─ z - q0 ─► book 1 ─► q1 ─┐
                    └─ ...         ▼  decoded: q0 + q1 + ...; with fewer books, the sum of the first ones

SoundStream (Zeghidour et al., arXiv 2107.03312) and EnCodec (arXiv 2210.13438). Factorised lookup
is DAC's (arXiv 2306.06546): the residual is projected to few numbers, looked up there, and
projected back. Product quantisation cuts a latent into groups of channels, each with books of its
own. Tokens are ordered by book, then by group.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.codec import CodecError
from models.kernels.streamed_weights import UNROLL, search
from models.residual.codebook import Codebook


@dataclass(frozen=True)
class QuantiserConfig:
    """Sizes of one quantiser.

    CodecError if they are not possible. Field names are data in checkpoints and tapes.
    """

    width: int  # channels of a latent
    books: int
    size: int = 1024  # entries of a book
    groups: int = 1  # parts of the channels with books of their own
    lookup: int = 0  # numbers that a residual is projected to for its lookup; 0: no projection
    cosine: bool = False  # lookup compares directions
    gradient: bool = False  # books are trained by gradient, not as running means

    def __post_init__(self) -> None:
        if self.width % self.groups:
            raise CodecError(f"width {self.width} must be a multiple of groups {self.groups}")
        if min(self.width, self.books, self.size - 1, self.groups) < 1:
            raise CodecError(f"width {self.width}, books {self.books}, size {self.size}: give 1, 1 and 2 or more")

    @property
    def tokens(self) -> int:
        """Tokens of one step."""
        return self.books * self.groups

    @property
    def bits(self) -> float:
        """Bits of one step with all books."""
        return self.tokens * math.log2(self.size)


@dataclass(frozen=True)
class CodebookTraining:
    """Options of codebooks that are trained as running means."""

    decay: float = 0.99
    restart: float = 0.1  # entries chosen less often than this part of the mean are replaced; 0: never
    kmeans: bool = True  # start from k-means of the first batch


@dataclass(frozen=True)
class Quantised:
    """Codes and losses of one training batch."""

    codes: Tensor  # [B, width, S], with a straight-through gradient
    tokens: Tensor  # int64 [B, K, S]
    commitment: Tensor  # squared error of the latent against its codes, mean over items of the sum over books
    codebook: Tensor  # squared error of the codes against the latent, for books that are trained by gradient


class QuantiserStage(nn.Module):
    """One codebook of one group, with the projections of factorised lookup."""

    def __init__(self, config: QuantiserConfig) -> None:
        super().__init__()
        width = config.width // config.groups
        inner = config.lookup or width
        self.project_in = nn.Linear(width, inner) if config.lookup else None
        self.project_out = nn.Linear(inner, width) if config.lookup else None
        self.book = Codebook(config.size, inner, cosine=config.cosine, gradient=config.gradient)

    def project(self, x: Tensor) -> Tensor:
        """Return residuals [n, width] in the book's space [n, lookup]."""
        return x if self.project_in is None else self.project_in(x)

    def code(self, tokens: Tensor) -> Tensor:
        """Return the codes [n, width] of tokens [n]."""
        inner = F.embedding(tokens, self.book.entries)
        return inner if self.project_out is None else self.project_out(inner)


class ResidualQuantiser(nn.Module):
    """Books × groups of quantiser stages.

    `forward` is for training; streams use what `freeze` returns.
    """

    def __init__(self, config: QuantiserConfig, training: CodebookTraining | None = None) -> None:
        super().__init__()
        self.config, self.book_training = config, training or CodebookTraining()
        self.stages = nn.ModuleList(QuantiserStage(config) for _ in range(config.tokens))
        self.initialised = False  # the books have seen data
        self.generator = torch.Generator().manual_seed(0)  # for random draws in training

    @property
    def all(self) -> list[QuantiserStage]:
        """The stages ordered by book, then by group."""
        return list(self.stages)  # type: ignore[arg-type]

    def freeze(self) -> FrozenQuantiser:
        """Return the quantiser for streams, of the weights as they are now."""
        return FrozenQuantiser(self.config, self.all)

    def rows(self, z: Tensor) -> Tensor:
        """Return latents [B, width, S] as rows of groups [B * S, groups, width / groups]."""
        return z.transpose(1, 2).reshape(-1, self.config.groups, self.config.width // self.config.groups)

    def forward(self, z: Tensor, books: Tensor | None = None) -> Quantised:
        """Quantise z [B, width, S] with the first `books` [B] of each item (None: all).

        In training mode the books learn from the batch.
        """
        config, training = self.config, self.book_training
        B, _, S = z.shape
        rows = self.rows(z)
        used = torch.full((B,), config.books, device=z.device) if books is None else books
        used = used.repeat_interleave(S)  # of each row
        total = torch.zeros_like(rows)
        commitment = codebook = z.new_zeros(())
        tokens: list[Tensor] = []
        fresh = self.training and not self.initialised and training.kmeans
        for number, stage in enumerate(self.all):
            book, group = divmod(number, config.groups)
            on = (used > book)[:, None]
            inner = stage.project(rows[:, group] - total[:, group].detach())
            chosen = inner.detach()[on[:, 0]]
            if fresh and len(chosen):
                stage.book.kmeans_init(chosen, self.generator)
            found = stage.book.nearest(inner.detach())
            entry = F.embedding(found, stage.book.entries)
            if self.training and not config.gradient and len(chosen):
                stage.book.update(chosen, found[on[:, 0]], training.decay)
                if training.restart:
                    stage.book.replace_dead_codes(chosen, training.restart, self.generator)
            share = on / B / S / inner.shape[1]
            commitment = commitment + ((inner - entry.detach()).square() * share).sum()
            if config.gradient:
                codebook = codebook + ((entry - inner.detach()).square() * share).sum()
            straight = inner + (entry - inner).detach()
            code = straight if stage.project_out is None else stage.project_out(straight)
            total = total.index_add(1, torch.tensor([group], device=z.device), (code * on)[:, None])
            tokens.append(found.reshape(B, S))
        self.initialised = self.initialised or self.training
        if not config.lookup:  # every book passed the gradient on; it counts once
            total = rows + (total - rows).detach()
        return Quantised(total.reshape(B, S, -1).transpose(1, 2), torch.stack(tokens, 1), commitment, codebook)


@dataclass(frozen=True)
class Books:
    """All books of a quantiser without projections, one behind the other, on the CPU."""

    keys: Tensor  # [K, width, size], -2 e
    squares: Tensor  # [K, size], |e|^2
    entries: Tensor  # [K, size, width], e

    def search(self, z: Tensor) -> Tensor:
        """Return the tokens int64 [1, K] of one latent [1, width]."""
        latent, keys, squares, entries = (x.numpy() for x in (z[0], self.keys, self.squares, self.entries))
        return torch.from_numpy(search(latent, keys, squares, entries))[None]

    def sum(self, tokens: Tensor, audible: list[bool]) -> Tensor:
        """Return the codes [S, width] of tokens [S, K], summed over the books whose flag is set."""
        places = tokens + self.entries.shape[1] * torch.arange(len(self.entries))
        return F.embedding_bag(places[:, torch.tensor(audible)], self.entries.flatten(0, 1), mode="sum")


class FrozenQuantiser:
    """Quantiser for streams, with lookup tables of weights that no longer change.

    Use it in one thread at a time.
    """

    def __init__(self, config: QuantiserConfig, stages: list[QuantiserStage]) -> None:
        self._config, self._stages = config, stages
        self._keys = [stage.book.keys() for stage in stages]
        self._books: Books | None = None
        if config.groups == 1 and not config.lookup and not config.cosine:
            crossed, squares = (torch.stack(part) for part in zip(*self._keys, strict=True))
            self._keys = list(zip(crossed, squares, strict=True))  # kept once
            self._books = Books(crossed, squares, torch.stack([stage.book.entries.detach() for stage in stages]))

    def encode(self, z: Tensor) -> Tensor:
        """Return the tokens int64 [S, K] of latents [S, width]."""
        if self._books is not None and len(z) == 1 and z.shape[1] % UNROLL == 0:
            return self._books.search(z)
        rest = list(z.chunk(self._config.groups, dim=1))
        found = []
        for number, (stage, keys) in enumerate(zip(self._stages, self._keys, strict=True)):
            group = number % len(rest)
            tokens = stage.book.nearest(stage.project(rest[group]), keys)
            rest[group] = rest[group] - stage.code(tokens)
            found.append(tokens)
        return torch.stack(found, 1)

    def decode(self, tokens: Tensor, audible: list[bool]) -> Tensor:
        """Return the codes [S, width] of tokens [S, K].

        Summed are the books whose flag in `audible` is set.
        """
        config = self._config
        if self._books is not None and any(audible):
            return self._books.sum(tokens, audible)
        total = [tokens.new_zeros(len(tokens), config.width // config.groups, dtype=torch.float32)] * config.groups
        for number, stage in enumerate(self._stages):
            book, group = divmod(number, config.groups)
            if audible[book]:
                total[group] = total[group] + stage.code(tokens[:, number])
        return torch.cat(total, 1)
