"""Adaptive entropy coding of tokens: an adaptive model of their frequencies and a range coder.

Encoder and decoder count the same tokens. A token's probability is refined context by context:

    uniform → counts of this codebook → after its last token → after the previous codebook's token

    p = (1 - w) * p_before + w * count / total

The mixing weights w are learnt too, one for each kind of context and magnitude of its total: with
each token, w moves to the part of p that came from that context (online EM of a mixture). A codec
can have a token model of its own instead.

Everything is integers in units of 2^-24, so that every machine decodes the bytes of every other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.codec import CodecError, Tokens

PROB_ONE = 1 << 24  # probability 1, as in the range coder
PRIOR_COUNTS = (1024, 128, 128)  # totals of contexts whose initial weight is 1/2
WEIGHT_ONE = 1 << 16  # weight 1
LEARNING_SHIFT = 5  # a weight moves by 2^-5 of the difference
MAX_COUNT = 1 << 16  # total at which the counts of a context are halved
MAX_CONTEXTS = 4096  # of a codebook; the oldest is dropped first

NO_MODEL = bytes(32)  # digest of a model without initial statistics

Frequencies = npt.NDArray[np.int64]


class TokenModel(Protocol):
    """Model of one stream of frames of `books` tokens, each 0 to size - 1; used by one thread."""

    books: int
    size: int
    digest: bytes  # 32 bytes, of the initial statistics: encoder and decoder must have the same

    def frequencies(self, book: int, before: Sequence[int]) -> Frequencies:
        """Return the frequency of each value, integers of at least 1 whose sum is PROB_ONE.

        `before` are the tokens of the step's earlier codebooks.
        """
        ...

    def finish_step(self, tokens: Sequence[int]) -> None:
        """Learn from all tokens of a step, after `frequencies` of each codebook."""
        ...

    def frame_bits(self, tokens: Tokens, books: int) -> float:
        """Return the bits of a frame's first `books` codebooks, and learn from the frame."""
        ...


class SymbolCounts:
    """Counts of each token value in one context."""

    def __init__(self, size: int) -> None:
        self.values = np.zeros(size, np.int64)
        self.total = 0

    def add(self, token: int) -> None:
        """Count a token; halve all counts at MAX_COUNT."""
        self.values[token] += 1
        self.total += 1
        if self.total >= MAX_COUNT:
            self.values >>= 1
            self.total = int(self.values.sum())


class MixingWeight:
    """Mixing weights of one kind of context, one for each magnitude of its total."""

    def __init__(self, prior_count: int) -> None:
        self._weights = [
            (WEIGHT_ONE << bits >> 1) // ((1 << bits >> 1) + prior_count) for bits in range(MAX_COUNT.bit_length() + 1)
        ]

    def mix(self, p: Any, counted: Any, total: int) -> Any:
        """Return p mixed with the probability `counted` of a context.

        Integers or arrays of them.
        """
        weight = self._weights[total.bit_length()]
        return (p * (WEIGHT_ONE - weight) + counted * weight) >> 16

    def update(self, p: int, counted: int, total: int) -> None:
        """Update the mixing weight with the token that was coded."""
        bits = total.bit_length()
        weight = self._weights[bits]
        part = counted * weight // max(self.mix(p, counted, total), 1)
        weight += (min(part, WEIGHT_ONE) - weight) >> LEARNING_SHIFT
        self._weights[bits] = min(max(weight, WEIGHT_ONE >> 10), WEIGHT_ONE - (WEIGHT_ONE >> 10))


class CountingModel:
    """Adaptive model that counts tokens in contexts, of `books` tokens a step, each 0 to size - 1.

    Used by one thread.
    """

    digest = NO_MODEL

    def __init__(self, books: int, size: int) -> None:
        self.books, self.size = books, size
        self.counts: list[dict[tuple[int, int], SymbolCounts]] = [{} for _ in range(books)]
        self._weights = [[MixingWeight(count) for count in PRIOR_COUNTS] for _ in range(books)]
        self._mixed: list[list[tuple[MixingWeight, Frequencies, Frequencies, int]]] = [[] for _ in range(books)]
        self._last = [0] * books

    def bits(self, tokens: Iterable[int]) -> float:
        """Return the bits of a step, and learn from it.

        A step may have fewer codebooks than the model.
        """
        bits, before = 0.0, 0
        for book, token in enumerate(tokens):
            p = PROB_ONE // self.size
            for weight, counts in self._contexts(book, before):
                counted = int(counts.values[token]) * PROB_ONE // counts.total
                mixed = weight.mix(p, counted, counts.total)
                weight.update(p, counted, counts.total)
                p = mixed
            bits -= math.log2(max(p, 1) / PROB_ONE)
            self.learn(book, token, before)
            before = token
        return bits

    def frame_bits(self, tokens: Tokens, books: int) -> float:
        """Return the bits of a frame's first `books` codebooks, and learn from its steps.

        Tokens beyond the steps (a loudness) count at fixed length.
        """
        steps = tokens[: len(tokens) // self.books * self.books].reshape(-1, self.books)
        rest = (len(tokens) - steps.size) * math.log2(self.size)
        return sum((self.bits(step[:books]) for step in steps.tolist()), rest)

    def frequencies(self, book: int, before: Sequence[int]) -> Frequencies:
        """Return the frequency of each value, integers of at least 1 whose sum is PROB_ONE.

        `before` are the tokens of the step's earlier codebooks.
        """
        p = np.full(self.size, PROB_ONE // self.size, np.int64)
        sources: list[tuple[MixingWeight, Frequencies, int]] = []
        for weight, counts in self._contexts(book, before[-1] if before else 0):
            sources.append((weight, counts.values * PROB_ONE // counts.total, counts.total))
        self._mixed[book] = mixed = []
        for weight, counted, total in sources:
            mixed.append((weight, p, counted, total))
            p = weight.mix(p, counted, total)
        p = np.maximum(p * (PROB_ONE - self.size) // PROB_ONE, 1)
        p[int(p.argmax())] += PROB_ONE - int(p.sum())
        return p

    def finish_step(self, tokens: Sequence[int]) -> None:
        """Learn from all tokens of a step, after `frequencies` of each codebook."""
        before = 0
        for book, token in enumerate(tokens):
            for weight, p, counted, total in self._mixed[book]:
                weight.update(int(p[token]), int(counted[token]), total)
            self.learn(book, token, before)
            before = token

    def learn(self, book: int, token: int, before: int) -> None:
        """Count a token in all its contexts, in the order of coding."""
        for kind, value in enumerate((0, self._last[book], before)):
            known = self.counts[book]
            counts = known.get((kind, value))
            if counts is None:
                if len(known) >= MAX_CONTEXTS:
                    del known[next(iter(known))]
                counts = known[kind, value] = SymbolCounts(self.size)
            counts.add(token)
        self._last[book] = token

    def _contexts(self, book: int, before: int) -> list[tuple[MixingWeight, SymbolCounts]]:
        """Return the contexts that have counted tokens, each with its mixing weight."""
        keys = [(0, 0), (1, self._last[book]), (2, before)][: 3 if book else 2]
        found = [(weight, self.counts[book].get(key)) for weight, key in zip(self._weights[book], keys, strict=False)]
        return [(weight, counts) for weight, counts in found if counts is not None and counts.total]


def encode(tokens: npt.NDArray[np.integer], model: TokenModel) -> bytes:
    """Encode tokens [steps, books] with a new model; the bytes do not contain steps and books.

    Raise CodecError for tokens out of range, or if constriction is not installed.
    """
    if tokens.size and (tokens.min() < 0 or tokens.max() >= model.size):
        raise CodecError(f"tokens {tokens.min()} ... {tokens.max()} cannot be coded; give 0 ... {model.size - 1}.")
    stream = _constriction().stream
    coder = stream.queue.RangeEncoder()
    for step in tokens.tolist():
        for book, token in enumerate(step):
            coder.encode(token, _categorical(stream, model.frequencies(book, step[:book])))
        model.finish_step(step)
    data: bytes = coder.get_compressed().astype("<u4").tobytes()
    return data


def decode(data: bytes, steps: int, model: TokenModel) -> npt.NDArray[np.int32]:
    """Return the tokens int32 [steps, books] of `encode`, by a new model of the same kind.

    CodecError if the bytes are damaged.
    """
    if len(data) % 4:
        raise CodecError(
            f"{len(data)} bytes are not coded tokens (a multiple of 4). The file was truncated or changed."
        )
    stream = _constriction().stream
    coder = stream.queue.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))
    tokens = np.empty((steps, model.books), np.int32)
    for step in tokens:
        known: list[int] = []
        for book in range(model.books):
            known.append(int(coder.decode(_categorical(stream, model.frequencies(book, known)))))
        model.finish_step(known)
        step[:] = known
    return tokens


def _categorical(stream: object, frequencies: Frequencies) -> object:
    """Return the coder's distribution.

    Multiples of 2^-24 are exact in a double and in its fixed point.
    """
    return stream.model.Categorical(frequencies / PROB_ONE, lazy=True)  # type: ignore[attr-defined]


def _constriction() -> Any:
    try:
        import constriction
    except ImportError as error:
        raise CodecError(
            "entropy coding needs the package constriction. Install it: pip install constriction"
        ) from error
    return constriction
