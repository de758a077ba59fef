"""Loops that read large weights once: the product of a few rows, and the search of a latent in books.

A step of a codec has one or two rows and tens of megabytes of weights, so that reading them is all
its work. torch's libraries read them again for each row, or at half of the memory's speed on some
CPUs, and a step of 32 books takes 190 of their calls.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
UNROLL = 8  # inputs that are multiplied in one pass over the outputs; the number of inputs is a multiple
AT_ONCE = 4  # outputs whose sums of products run side by side; the number of outputs is a multiple
MOST_ROWS = 4  # beyond which libraries are faster

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
_in_any_order = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})


@_compiled
def _add_products(y: Array, x: Array, weights: Array, at: int) -> None:
    """Add the products of the UNROLL inputs from `at` on to y [outputs]."""
    a, b, c, d = weights[at], weights[at + 1], weights[at + 2], weights[at + 3]
    e, f, g, h = weights[at + 4], weights[at + 5], weights[at + 6], weights[at + 7]
    v = x[at : at + UNROLL]
    for n in range(len(y)):
        early = v[0] * a[n] + v[1] * b[n] + v[2] * c[n] + v[3] * d[n]
        y[n] += early + v[4] * e[n] + v[5] * f[n] + v[6] * g[n] + v[7] * h[n]


@_compiled
def multiply(x: Array, weights: Array, bias: Array) -> Array:
    """Return x W + b [n, outputs] for x [n, inputs], `weights` W [inputs, outputs] and `bias` [outputs]."""
    out = np.empty((len(x), len(bias)), np.float32)
    out[:] = bias
    for at in range(0, x.shape[1], UNROLL):
        for row in range(len(x)):
            _add_products(out[row], x[row], weights, at)
    return out


@_in_any_order
def multiply_sums(x: Array, weights: Array, bias: Array) -> Array:
    """Return x W^T + b [n, outputs] for x [n, inputs], `weights` W [outputs, inputs] and `bias` [outputs].

    Faster than `multiply` where inputs are many times the outputs: it reads long rows. Two rows of x
    share each reading.
    """
    out = np.empty((len(x), len(bias)), np.float32)
    for row in range(0, len(x), 2):
        other = min(row + 1, len(x) - 1)
        u, v = x[row], x[other]
        for n in range(0, len(bias), AT_ONCE):
            a, b, c, d = weights[n], weights[n + 1], weights[n + 2], weights[n + 3]
            au = bu = cu = du = av = bv = cv = dv = np.float32(0)
            for i in range(len(u)):
                au += u[i] * a[i]
                bu += u[i] * b[i]
                cu += u[i] * c[i]
                du += u[i] * d[i]
                av += v[i] * a[i]
                bv += v[i] * b[i]
                cv += v[i] * c[i]
                dv += v[i] * d[i]
            out[row, n], out[row, n + 1] = au + bias[n], bu + bias[n + 1]
            out[row, n + 2], out[row, n + 3] = cu + bias[n + 2], du + bias[n + 3]
            out[other, n], out[other, n + 1] = av + bias[n], bv + bias[n + 1]
            out[other, n + 2], out[other, n + 3] = cv + bias[n + 2], dv + bias[n + 3]
    return out


@_compiled
def search(latent: Array, keys: Array, squares: Array, entries: Array) -> npt.NDArray[np.int64]:
    """Return the token of each book [K] for a latent [width].

    Each book codes what the books before it left. `keys` are -2 e [K, width, size], `squares` |e|^2
    [K, size], `entries` e [K, size, width]. Of equally near entries it takes the first.
    """
    rest = latent.copy()
    tokens = np.empty(len(keys), np.int64)
    for book in range(len(keys)):
        distance = squares[book].copy()
        for at in range(0, len(rest), UNROLL):
            _add_products(distance, rest, keys[book], at)
        tokens[book] = np.argmin(distance)
        rest -= entries[book, tokens[book]]
    return tokens
