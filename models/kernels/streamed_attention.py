"""Loops for a block of a streaming transformer, between its products, for the few positions of a
step.

A step has one to a few positions, so that each of torch's calls on them takes longer than their
arithmetic: its own set-up, with code and data that the block's weights have pushed out of the
caches. One loop takes the place of several of them.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})


@_compiled
def normalise(x: Array, weight: Array, bias: Array, epsilon: float) -> Array:
    """Return the layer norm (arXiv 1607.06450) of each row of x [n, width]."""
    out = np.empty_like(x)
    for row in range(len(x)):
        mean = x[row].sum() / np.float32(x.shape[1])
        variance = np.float32(0)
        for at in range(x.shape[1]):
            out[row, at] = x[row, at] - mean
            variance += out[row, at] * out[row, at]
        factor = np.float32(1 / math.sqrt(variance / x.shape[1] + epsilon))
        for at in range(x.shape[1]):
            out[row, at] = out[row, at] * factor * weight[at] + bias[at]
    return out


@_compiled
def gelu(x: Array) -> None:
    """Replace x [n, width] by its Gaussian error linear unit (arXiv 1606.08415), x P(X <= x)."""
    half, root = np.float32(0.5), np.float32(math.sqrt(0.5))
    for row in range(len(x)):
        for at in range(x.shape[1]):
            x[row, at] = half * x[row, at] * (np.float32(1) + np.float32(math.erf(x[row, at] * root)))


@_compiled
def add_scaled(x: Array, scale: Array, y: Array) -> Array:
    """Return x + scale * y, for x and y [n, width]."""
    out = np.empty_like(x)
    for row in range(len(x)):
        for at in range(x.shape[1]):
            out[row, at] = x[row, at] + scale[at] * y[row, at]
    return out


@_compiled
def attend(made: Array, cosine: Array, sine: Array, keys: Array, values: Array, end: int, window: int) -> Array:
    """Return the attention [n, heads * head] of n new positions to themselves and to those before.

    `made` [n, 3 * heads * head] has their queries, keys and values, `cosine` and `sine` [n, head /
    2] the rotation of each. Buffers, which get the new keys and values from `end` on: `keys`
    [heads, head, size], `values` [heads, size, head]. Each position sees `window` positions, itself
    included, or all from the start of the buffer.
    """
    heads, head, _ = keys.shape
    width, half = heads * head, head // 2
    out = np.zeros((len(made), width), np.float32)
    scale = np.float32(1 / math.sqrt(head))
    query = np.empty(head, np.float32)
    scores = np.empty(window, np.float32)
    for row in range(len(made)):
        first, last = max(0, end + row + 1 - window), end + row + 1
        weights = scores[: last - first]
        for number in range(heads):
            at = number * head
            for k in range(half):
                real, imaginary = made[row, at + k], made[row, at + half + k]
                query[k] = (real * cosine[row, k] - imaginary * sine[row, k]) * scale
                query[half + k] = (real * sine[row, k] + imaginary * cosine[row, k]) * scale
                real, imaginary = made[row, width + at + k], made[row, width + at + half + k]
                keys[number, k, last - 1] = real * cosine[row, k] - imaginary * sine[row, k]
                keys[number, half + k, last - 1] = real * sine[row, k] + imaginary * cosine[row, k]
                values[number, last - 1, k] = made[row, 2 * width + at + k]
                values[number, last - 1, half + k] = made[row, 2 * width + at + half + k]
            weights[:] = 0
            for k in range(head):
                key_row = keys[number, k, first:last]
                for position in range(len(key_row)):
                    weights[position] += query[k] * key_row[position]
            largest = weights.max()
            total = np.float32(0)
            for position in range(len(weights)):
                weights[position] = math.exp(weights[position] - largest)
                total += weights[position]
            result = out[row, at : at + head]
            for position in range(len(weights)):
                part = weights[position] / total
                value_row = values[number, first + position]
                for k in range(head):
                    result[k] += part * value_row[k]
    return out
