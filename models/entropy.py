"""Entropy coding of tokens: what a stream of codes costs when its statistics are learnt on the way.

An adaptive model and a range coder: both ends count the same tokens. A token's frequency is refined context by context,
each a correction of the one before, trusted by what it has seen:

    every value alike → how often in this book → after this book's last token → after the token of the book before

    p = (count + TRUST * p_before) / (total + TRUST)

Where a forecast of the codec's codes is there (models/forecast.py), it begins with that, not with every value alike.
All of it in whole numbers of 2^-24, so that any machine decodes any other's bytes. Knows nothing of sound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from models.codec import CodecError, Tokens
from models.forecast import Forecast

ONE = 1 << 24  # the whole of a probability, as the range coder has it
TRUST = (512, 64, 64)  # what a context must have seen to weigh as much as the one before it
FORESEEN = (2048, 256, 256)  # the same, after a forecast
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


class TokenModel:
    """What is known of a stream of `books` tokens a step, each 0 ... size - 1. One stream, one thread."""

    def __init__(self, books: int, size: int, forecast: Forecast | None = None) -> None:
        self.books, self.size = books, size
        self._foreseen = forecast.open(books) if forecast else None
        self._trust = FORESEEN if forecast else TRUST
        self._seen: list[dict[tuple[int, int], Counts]] = [{} for _ in range(books)]
        self._last = [0] * books

    def bits(self, tokens: Iterable[int]) -> float:
        """What a step costs, and learn from it. A step may have fewer books than the model."""
        spent, before = 0.0, 0
        for book, token in enumerate(tokens):
            p = 1.0 / self.size
            for counts, trust in zip(self._contexts(book, before), TRUST, strict=True):
                if counts is not None:
                    p = (counts.of[token] + trust * p) / (counts.total + trust)
            spent -= math.log2(p)
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
        if self._foreseen:
            chances = self._foreseen.chances(book, np.asarray(before, np.int64))
            p = (chances * (ONE / chances.sum())).astype(np.int64)
        for counts, trust in zip(self._contexts(book, before[-1] if before else 0), self._trust, strict=True):
            if counts is not None:
                p = (counts.of * ONE + trust * p) // (counts.total + trust)
        p = np.maximum(p * (ONE - self.size) // ONE, 1)
        p[int(p.argmax())] += ONE - int(p.sum())
        return p

    def close_step(self, tokens: Sequence[int]) -> None:
        """All tokens of a step, whose frequencies were asked for book by book."""
        before = 0
        for book, token in enumerate(tokens):
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

    def _contexts(self, book: int, before: int) -> list[Counts | None]:
        seen = self._seen[book]
        return [seen.get((0, 0)), seen.get((1, self._last[book])), seen.get((2, before)) if book else None]


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
