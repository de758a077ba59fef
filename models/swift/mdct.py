"""Modified discrete cosine transform with a sine window.

Princen, Johnson and Bradley, "Subband/transform coding using filter bank designs based on time
domain aliasing cancellation", ICASSP 1987. Two hops of samples are folded to one, whose DCT-IV is
one complex FFT of a quarter of the window (Duhamel, Mahieux and Petit, ICASSP 1991).
"""

from __future__ import annotations

import numpy as np

from models.swift.frame_layout import HOP, Array

_HALF = HOP // 2
WINDOW: Array = np.sin(np.pi * (np.arange(2 * HOP) + 0.5) / (2 * HOP)).astype(np.float32)
_TWIDDLE = np.exp(-1j * np.pi * (np.arange(_HALF) + 0.125) / HOP).astype(np.complex64)
_SCALE = np.float32((2 / HOP) ** 0.5)


def forward(samples: Array) -> Array:
    """Return the coefficients [..., HOP] of two hops of samples [..., 2 * HOP]; orthonormal when
    overlapped.
    """
    a, b, c, d = np.split(samples * WINDOW, 4, axis=-1)
    return _dct4(np.concatenate([-c[..., ::-1] - d, a - b[..., ::-1]], axis=-1))


def inverse(coefficients: Array) -> tuple[Array, Array]:
    """Return the two hops of a frame [..., HOP] each: what it adds to the hop before, and to its
    own.
    """
    folded = _dct4(coefficients)
    late, early = folded[..., :_HALF], folded[..., _HALF:]
    first = np.concatenate([early, -early[..., ::-1]], axis=-1)
    second = np.concatenate([-late[..., ::-1], -late], axis=-1)
    return first * WINDOW[:HOP], second * WINDOW[HOP:]


def _dct4(values: Array) -> Array:
    """Return the orthonormal DCT-IV over the last dimension, its own inverse."""
    packed = (values[..., ::2] + 1j * values[..., ::-2]) * _TWIDDLE
    turned = np.fft.fft(packed) * (_TWIDDLE * _SCALE)
    result = np.empty_like(values)
    result[..., ::2] = turned.real
    result[..., ::-2] = -turned.imag
    return result
