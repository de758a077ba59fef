"""Frames as an orthonormal space: Givens rotations at the borders, then a DCT-IV of each segment.

Around a border, samples p right of it and q left of it (mirrored) are rotated in pairs, which is the
windowing and folding of an MDCT with a sine window (Princen, Johnson and Bradley, ICASSP 1987;
as rotations: Daudet and Sandler, "MDCT analysis of sinusoids", 2004). After the rotations at both
ends a frame is a vector of HOP numbers for each channel. In it, mode n is n segments of HOP / n,
with overlaps of the same length inside the frame: modes differ from frame to frame freely.
"""

from __future__ import annotations

import numpy as np

from models.codicodec.start.digit_layout import HOP, OVERLAP, Array

HALF = OVERLAP // 2
_ROOT = np.float32(0.5**0.5)


def _angles(overlap: int) -> tuple[Array, Array]:
    """Return sine and cosine of the rotation of each pair, [overlap / 2], from the border outwards."""
    angle = np.pi / 4 * (1 + (2 * np.arange(overlap // 2) + 1) / overlap)
    return np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)


_ROTATIONS = {overlap: _angles(overlap) for overlap in (OVERLAP, *(HOP // n for n in (2, 4, 8, 16)))}
_TWIDDLES = {
    length: np.exp(-1j * np.pi * (np.arange(length // 2) + 0.125) / length).astype(np.complex64)
    for length in (HOP // n for n in (1, 2, 4, 8, 16))
}


def mid_side(audio: Array) -> Array:
    """Return mid and side of left and right [2, n], or left and right of mid and side."""
    return np.stack([audio[0] + audio[1], audio[0] - audio[1]]) * _ROOT


def rotate(right: Array, left: Array, overlap: int) -> tuple[Array, Array]:
    """Return both sides of a border [..., overlap / 2], from the border outwards, rotated."""
    sine, cosine = _ROTATIONS[overlap]
    return sine * right + cosine * left, sine * left - cosine * right


def rotate_back(right: Array, left: Array, overlap: int) -> tuple[Array, Array]:
    """Invert `rotate`."""
    sine, cosine = _ROTATIONS[overlap]
    return sine * right - cosine * left, cosine * right + sine * left


def fold(support: Array) -> Array:
    """Return the frame vector [..., HOP] of the samples [..., HOP + OVERLAP] that it covers."""
    frame = support[..., HALF:-HALF].copy()
    frame[..., :HALF] = rotate(support[..., HALF:OVERLAP], support[..., HALF - 1 :: -1], OVERLAP)[0]
    end = support[..., HOP:][..., ::-1]  # last samples first: outside of the border, then inside
    frame[..., -HALF:] = rotate(end[..., HALF - 1 :: -1], end[..., HALF:], OVERLAP)[1][..., ::-1]
    return frame


def forward(frame: Array, segments: int) -> Array:
    """Return coefficients [..., segments, HOP / segments] of frame vectors [..., HOP]."""
    length = HOP // segments
    parts = frame.reshape(*frame.shape[:-1], segments, length).copy()
    if segments > 1:
        half = length // 2
        right, left = parts[..., 1:, :half].copy(), parts[..., :-1, ::-1][..., :half].copy()
        right, left = rotate(right, left, length)
        parts[..., 1:, :half], parts[..., :-1, half:] = right, left[..., ::-1]
    return _dct4(parts)


def inverse(coefficients: Array) -> Array:
    """Invert `forward`."""
    segments, length = coefficients.shape[-2:]
    parts = _dct4(coefficients)
    if segments > 1:
        half = length // 2
        right, left = parts[..., 1:, :half].copy(), parts[..., :-1, ::-1][..., :half].copy()
        right, left = rotate_back(right, left, length)
        parts[..., 1:, :half], parts[..., :-1, half:] = right, left[..., ::-1]
    return parts.reshape(*coefficients.shape[:-2], HOP)


def _dct4(values: Array) -> Array:
    """Return the orthonormal DCT-IV over the last dimension, its own inverse.

    By one complex FFT of half the length (Duhamel, Mahieux and Petit, ICASSP 1991).
    """
    length = values.shape[-1]
    twiddle = _TWIDDLES[length]
    packed = (values[..., ::2] + 1j * values[..., ::-2]) * twiddle
    turned = np.fft.fft(packed) * (twiddle * np.float32((2 / length) ** 0.5))
    found = np.empty_like(values)
    found[..., ::2] = turned.real
    found[..., ::-2] = -turned.imag
    return found
