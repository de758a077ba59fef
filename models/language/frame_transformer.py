"""Causal Transformer over frames, one step a frame, in numpy.

Each layer keeps keys and values of the last `window` frames and nothing else: a stream can last for
ever. Attention knows how old a frame is by a learnt bias for each head and age. The same network in
torch, for training, is `models/training/language/network.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.swift.frame_layout import Array

EPSILON = 1e-5


@dataclass(frozen=True)
class LayerWeights:
    """Weights of one layer. Matrices are [in, out]."""

    first_norm: Array  # [width]
    second_norm: Array  # [width]
    products: Array  # [width, 3 * width]: queries, keys, values
    output: Array  # [width, width]
    ages: Array  # [heads, window]
    widen: Array  # [width, 4 * width]
    narrow: Array  # [4 * width, width]


class FrameTransformer:
    """State of one stream through the layers. One thread."""

    def __init__(self, layers: list[LayerWeights]) -> None:
        self._layers = layers
        self._heads, self._window = layers[0].ages.shape
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        width = len(self._layers[0].first_norm)
        shape = (len(self._layers), self._heads, self._window, width // self._heads)
        self._keys, self._values = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._count = 0

    def step(self, given: Array) -> Array:
        """Return the output of the last layer [width] for the next frame [width]."""
        place = self._count % self._window
        self._count += 1
        known = min(self._count, self._window)
        age = (place - np.arange(known)) % self._window  # of each kept frame
        x = given
        for number, layer in enumerate(self._layers):
            x = x + self._attend(number, layer, normalised(x) * layer.first_norm, place, age)
            hidden = (normalised(x) * layer.second_norm) @ layer.widen
            x = x + (hidden / (1 + np.exp(-hidden))) @ layer.narrow
        return normalised(x)

    def _attend(self, number: int, layer: LayerWeights, x: Array, place: int, age: np.ndarray) -> Array:
        query, key, value = (x @ layer.products).reshape(3, self._heads, -1)
        keys, values = self._keys[number], self._values[number]
        keys[:, place], values[:, place] = key, value
        known = len(age)
        scores = np.einsum("hkd,hd->hk", keys[:, :known], query) / np.float32(query.shape[1] ** 0.5)
        scores += layer.ages[:, age]
        weights = np.exp(scores - scores.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        return np.einsum("hk,hkd->hd", weights, values[:, :known]).reshape(-1) @ layer.output


def normalised(x: Array) -> Array:
    """Return x over its root mean square."""
    return x / np.sqrt(np.mean(np.square(x)) + np.float32(EPSILON))
