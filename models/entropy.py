"""Entropy coding of tokens: what a stream of codes costs when its statistics are learnt on the way.

An adaptive model and a range coder: both ends count the same tokens. A token's frequency is refined context by context,
each a correction of the one before:

    every value alike → how often in this book → after this book's last token → after the token of the book before

    p = (1 - w) * p_before + w * count / total

Where a forecast of the codec's codes is there (models/forecast.py), it comes first, in the place of counts. How far
each is believed, w, is learnt as well, for each kind of context and how much it has seen: with each token it moves to
the part of p that came from there (EM of a mixture, a token at a time). Fixed weights that were right for seconds let
counts outweigh the forecast within a minute.

All of it in whole numbers of 2^-24, so that any machine decodes any other's bytes. Knows nothing of sound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.codec import CodecError, Tokens
from models.forecast import Forecast

ONE = 1 << 24  # the whole of a probability, as the range coder has it
TRUST = (1024, 128, 128)  # what a context must have seen to weigh as much as the one before it, until more is known
FORESEEN = 1 << 12  # what a forecast has seen, against a trust of 64
SURE = 1 << 16  # a weight of one
PACE = 5  # a weight moves by 2^-5 of its way
MOST = 1 << 16  # tokens that a context remembers before it forgets half
KEPT = 4096  # contexts of a kind that are remembered in a book; the oldest is forgotten first

Frequencies = npt.NDArray[np.int64]


class Counts:
    """How often each value came in one context."""

    def __init__(self, size: int) -> None:
        self.of = np.zeros(size, np.int64)
        self.total = 0

    def add(self, token: int) -> None:
        self.of[token] += 1
        self.total += 1
        if self.total >= MOST:
            self.of >>= 1
            self.total = int(self.of.sum())


class Belief:
    """How far one kind of context is believed, by how much it has seen."""

    def __init__(self, trust: int) -> None:
        self._weights = [(SURE << bits >> 1) // ((1 << bits >> 1) + trust) for bits in range(MOST.bit_length() + 1)]

    def mixed(self, p: Any, counted: Any, total: int) -> Any:
        """What is believed of p after counts that say `counted`: whole numbers, or arrays of them."""
        weight = self._weights[total.bit_length()]
        return (p * (SURE - weight) + counted * weight) >> 16

    def learn(self, p: int, counted: int, total: int) -> None:
        """Of the token that came."""
        bits = total.bit_length()
        weight = self._weights[bits]
        part = counted * weight // max(self.mixed(p, counted, total), 1)
        weight += (min(part, SURE) - weight) >> PACE
        self._weights[bits] = min(max(weight, SURE >> 10), SURE - (SURE >> 10))


class TokenModel:
    """What is known of a stream of `books` tokens a step, each 0 ... size - 1. One stream, one thread."""

    def __init__(self, books: int, size: int, forecast: Forecast | None = None) -> None:
        self.books, self.size = books, size
        self._foreseen = forecast.open(books) if forecast else None
        self._seen: list[dict[tuple[int, int], Counts]] = [{} for _ in range(books)]
        self._beliefs = [[Belief(trust) for trust in TRUST] for _ in range(books)]
        self._foreseeing = [Belief(64) for _ in range(books)]
        self._asked: list[list[tuple[Belief, Frequencies, Frequencies, int]]] = [[] for _ in range(books)]
        self._last = [0] * books

    def bits(self, tokens: Iterable[int]) -> float:
        """What a step costs without a forecast, and learn from it. A step may have fewer books than the model."""
        spent, before = 0.0, 0
        for book, token in enumerate(tokens):
            p = ONE // self.size
            for belief, counts in self._contexts(book, before):
                counted = int(counts.of[token]) * ONE // counts.total
                mixed = belief.mixed(p, counted, counts.total)
                belief.learn(p, counted, counts.total)
                p = mixed
            spent -= math.log2(max(p, 1) / ONE)
            self.learn(book, token, before)
            before = token
        return spent

    def frame_bits(self, tokens: Tokens, books: int) -> float:
        """What a frame of whole steps costs with its first `books` books, and learn from it.

        Tokens beyond the steps (a loudness) cost what they are.
        """
        steps = tokens[: len(tokens) // self.books * self.books].reshape(-1, self.books)
        aside = (len(tokens) - steps.size) * math.log2(self.size)
        return sum((self.bits(step[:books]) for step in steps.tolist()), aside)

    def frequencies(self, book: int, before: Sequence[int]) -> Frequencies:
        """Of each value, whole numbers of at least 1 that add up to ONE; `before` are this step's tokens until then."""
        p = np.full(self.size, ONE // self.size, np.int64)
        said: list[tuple[Belief, Frequencies, int]] = []
        if self._foreseen:
            chances = self._foreseen.chances(book, np.asarray(before, np.int64))
            said.append((self._foreseeing[book], (chances * (ONE / chances.sum())).astype(np.int64), FORESEEN))
        for belief, counts in self._contexts(book, before[-1] if before else 0):
            said.append((belief, counts.of * ONE // counts.total, counts.total))
        self._asked[book] = asked = []
        for belief, counted, total in said:
            asked.append((belief, p, counted, total))
            p = belief.mixed(p, counted, total)
        p = np.maximum(p * (ONE - self.size) // ONE, 1)
        p[int(p.argmax())] += ONE - int(p.sum())
        return p

    def close_step(self, tokens: Sequence[int]) -> None:
        """All tokens of a step, whose frequencies were asked for book by book."""
        before = 0
        for book, token in enumerate(tokens):
            for belief, p, counted, total in self._asked[book]:
                belief.learn(int(p[token]), int(counted[token]), total)
            self.learn(book, token, before)
            before = token
        if self._foreseen:
            self._foreseen.take(np.asarray(tokens))

    def learn(self, book: int, token: int, before: int) -> None:
        """A token that came, in the order of coding."""
        for kind, value in enumerate((0, self._last[book], before)):
            seen = self._seen[book]
            counts = seen.get((kind, value))
            if counts is None:
                if len(seen) >= KEPT:
                    del seen[next(iter(seen))]
                counts = seen[kind, value] = Counts(self.size)
            counts.add(token)
        self._last[book] = token

    def _contexts(self, book: int, before: int) -> list[tuple[Belief, Counts]]:
        """Those that have seen something, each with how far it is believed."""
        keys = [(0, 0), (1, self._last[book]), (2, before)][: 3 if book else 2]
        found = [(belief, self._seen[book].get(key)) for belief, key in zip(self._beliefs[book], keys, strict=False)]
        return [(belief, counts) for belief, counts in found if counts is not None and counts.total]


def spent(tokens: npt.NDArray[np.integer], size: int, forecast: Forecast | None = None) -> float:
    """Bits that `encode` makes of tokens [steps, books], without making them."""
    model, total = TokenModel(tokens.shape[1], size, forecast), 0.0
    for step in tokens.tolist():
        total += sum(math.log2(ONE / model.frequencies(book, step[:book])[token]) for book, token in enumerate(step))
        model.close_step(step)
    return total


def encode(tokens: npt.NDArray[np.integer], size: int, forecast: Forecast | None = None) -> bytes:
    """Tokens [steps, books] to bytes; how many steps and books is not in them. CodecError without constriction."""
    books = tokens.shape[1]
    if tokens.size and (tokens.min() < 0 or tokens.max() >= size):
        raise CodecError(f"tokens {tokens.min()} ... {tokens.max()} cannot be coded; give 0 ... {size - 1}.")
    stream = _constriction().stream
    model, coder = TokenModel(books, size, forecast), stream.queue.RangeEncoder()
    for step in tokens.tolist():
        for book, token in enumerate(step):
            coder.encode(token, _categorical(stream, model.frequencies(book, step[:book])))
        model.close_step(step)
    data: bytes = coder.get_compressed().astype("<u4").tobytes()
    return data


def decode(
    data: bytes, steps: int, books: int, size: int, forecast: Forecast | None = None
) -> npt.NDArray[np.int32]:  # fmt: skip
    """Inverse of `encode`: tokens int32 [steps, books]. CodecError if the bytes are no such tokens."""
    if len(data) % 4:
        raise CodecError(f"{len(data)} bytes are no coded tokens (a multiple of 4). The file was cut or changed.")
    stream = _constriction().stream
    model = TokenModel(books, size, forecast)
    coder = stream.queue.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))
    tokens = np.empty((steps, books), np.int32)
    for step in tokens:
        known: list[int] = []
        for book in range(books):
            known.append(int(coder.decode(_categorical(stream, model.frequencies(book, known)))))
        model.close_step(known)
        step[:] = known
    return tokens


def _categorical(stream: object, frequencies: Frequencies) -> object:
    """Whole numbers of 2^-24 are exact in a double, and are the very steps of the library's own fixed point."""
    return stream.model.Categorical(frequencies / ONE, lazy=True)  # type: ignore[attr-defined]


def _constriction():
    try:
        import constriction
    except ImportError as error:
        raise CodecError(
            "entropy coding needs the package constriction. Install it: pip install constriction"
        ) from error
    return constriction
