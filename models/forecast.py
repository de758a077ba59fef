"""What comes next in a stream of codes: a small causal Transformer, the same to the last bit on every machine.

    codes of step t - 1 → the sum of their embeddings → layers over the last WINDOW steps → h(t)
    book k of step t:  A_k h(t) + B_k (embeddings of the books before it, at t) → a probability of every value

After the entropy coding of EnCodec (Défossez et al., arXiv 2210.13438, section 3.3), but that each book of a step knows
the books before it. Embeddings begin as the books' entries: h(t) is about the latent to come, and what is looked at is
what those books left of it. How far back a step looks is a penalty that grows with distance (Press et al., arXiv
2108.12409).

A decoder must find the encoder's probabilities exactly. So everything here is float64 that holds whole multiples of a
small power of two: sums and products of such are exact in any order, on any machine and any number of threads, as long
as they stay under 2^53 of their unit. What is not exact (a quotient, a root) is a single operation that IEEE 754 rounds
in one way only, put back on the grid; 2^x is a polynomial of such operations. There is no torch here; training is in
models/training/residual/forecast.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.codec import CodecError

GRID = 2.0**-12  # of weights and of what layers pass on
MOST = 64.0  # nothing is larger
FINE = 2.0**-32  # grid of probabilities before they are scaled to whole numbers
FORMAT = "verdigris-forecast-2"
LOG2_E = 1.4427001953125  # softmax to base e, as training has it; a product with it is rounded once
POWERS = (1.0, 0.6931471805599453, 0.2402265069591007, 0.05550410866482158, 0.009618129107628477,
          0.0013333558146428443, 0.0001540353039338161)  # fmt: skip  # of x in 2^x

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ForecastConfig:
    """Sizes of one."""

    books: int
    size: int  # entries of a book
    width: int = 96
    layers: int = 3
    heads: int = 4
    inner: int = 256
    window: int = 150  # steps looked back

    @property
    def slopes(self) -> list[float]:
        """How fast each head forgets: what is taken off a score for each step back; powers of two."""
        return [2.0 ** -(1 + 2 * head) for head in range(self.heads)]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of all tensors."""
        width, books, size = self.width, self.books, self.size
        shapes: dict[str, tuple[int, ...]] = {"embed": (books, size, width)}
        for layer in range(self.layers):
            shapes |= {
                f"{layer}.query": (width, width), f"{layer}.key": (width, width), f"{layer}.value": (width, width),
                f"{layer}.mix": (width, width), f"{layer}.up": (width, self.inner),
                f"{layer}.down": (self.inner, width),
            }  # fmt: skip
        return shapes | {
            "ahead": (books, width, width), "within": (books, width, width),
            "scores": (books, width, size), "bias": (books, size),
        }  # fmt: skip


def on_grid(x: Array) -> Array:
    """The nearest multiple of GRID, within +-MOST."""
    return np.clip(np.rint(x * (1 / GRID)) * GRID, -MOST, MOST)


def level(x: Array) -> Array:
    """[..., width] at a root mean square of 1."""
    return on_grid(x / np.sqrt(np.square(x).sum(-1, keepdims=True) / x.shape[-1] + GRID))


def power(x: Array) -> Array:
    """2^x for x <= 0, in multiples of FINE."""
    whole = np.floor(x)
    part = x - whole
    y = np.full_like(part, POWERS[-1])
    for factor in POWERS[-2::-1]:
        y = y * part
        y = y + factor
    return np.rint(np.ldexp(y, np.maximum(whole, -64).astype(np.int64)) * (1 / FINE)) * FINE


def shares(scores: Array) -> Array:
    """Softmax over the last dimension, not yet divided by its sum: the largest is 1."""
    return power((scores - scores.max(-1, keepdims=True)) * LOG2_E)


class Forecast:
    """Weights, shared by any number of streams."""

    def __init__(self, config: ForecastConfig, weights: Mapping[str, npt.NDArray[np.floating]]) -> None:
        self.config = config
        shapes = config.shapes()
        for name, shape in shapes.items():
            if name not in weights or weights[name].shape != shape:
                raise CodecError(f"a forecast's tensor {name} is not of the shape {shape}. Fetch the file again.")
        self.weights = {name: on_grid(weights[name].astype(np.float64)) for name in shapes}
        held = b"".join(self.weights[name].tobytes() for name in shapes)
        self.digest = hashlib.sha256(json.dumps(asdict(config)).encode() + held).digest()  # who agrees on it, agrees

    @classmethod
    def read(cls, path: Path) -> Forecast:
        """From a file; CodecError if it is none."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if metadata.get("format") != FORMAT:
                raise ValueError(f'format is "{metadata.get("format")}"')
            return cls(ForecastConfig(**json.loads(metadata["config"])), weights)
        except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
            raise CodecError(f'"{path.name}" holds no forecast ({error}). Fetch it again.') from error

    def open(self, books: int) -> Foreseen:
        """A new stream of the first so many books."""
        if not 1 <= books <= self.config.books:
            raise CodecError(f"a forecast of {self.config.books} books says nothing of {books}.")
        return Foreseen(self, books)


class Foreseen:
    """One stream, one thread: `chances` of each book of a step in turn, then `take` its tokens."""

    def __init__(self, forecast: Forecast, books: int) -> None:
        self.books, self._forecast = books, forecast
        config = forecast.config
        self._kept = [np.zeros((2, 0, config.heads, config.width // config.heads)) for _ in range(config.layers)]
        self._hidden = self._look(np.zeros(config.width))

    def chances(self, book: int, before: npt.NDArray[np.integer]) -> Array:
        """Of each value, multiples of FINE up to 1 (not their sum), given the tokens of the books before."""
        weights = self._forecast.weights
        inner = on_grid(self._hidden @ weights["ahead"][book] + self._sum(before) @ weights["within"][book])
        return shares(on_grid(inner @ weights["scores"][book] + weights["bias"][book]))

    def take(self, tokens: npt.NDArray[np.integer]) -> None:
        """The tokens [books] that the step turned out to be."""
        self._hidden = self._look(self._sum(tokens))

    def _sum(self, tokens: npt.NDArray[np.integer]) -> Array:
        return self._forecast.weights["embed"][np.arange(len(tokens)), tokens].sum(0)

    def _look(self, x: Array) -> Array:
        """Embedded tokens [width] of a step through the layers, which keep what later steps look at."""
        config, weights = self._forecast.config, self._forecast.weights
        heads = (config.heads, config.width // config.heads)
        for layer in range(config.layers):
            seen = level(x)
            query, key, value = (on_grid(seen @ weights[f"{layer}.{name}"]).reshape(heads) for name in _ATTEND)
            kept = np.concatenate([self._kept[layer], np.stack([key, value])[:, None]], 1)[:, -config.window :]
            self._kept[layer] = kept
            back = np.arange(kept.shape[1])[::-1]
            scores = np.einsum("hd,thd->ht", query, kept[0]) * _scale(heads[1])
            share = shares(on_grid(scores) - np.outer(config.slopes, back))
            part = on_grid(share / share.sum(-1, keepdims=True))
            x = on_grid(x + on_grid(np.einsum("ht,thd->hd", part, kept[1])).reshape(-1) @ weights[f"{layer}.mix"])
            inner = on_grid(np.maximum(level(x) @ weights[f"{layer}.up"], 0))
            x = on_grid(x + inner @ weights[f"{layer}.down"])
        return x


_ATTEND = ("query", "key", "value")


def _scale(width: int) -> float:
    """A power of two near 1 / sqrt(width), so that scores stay exact."""
    return 2.0 ** -round(np.log2(width) / 2)
