"""Grid of a codec's finite scalar quantisation in numpy: codes to tokens and back.

Mentzer et al., arXiv 2309.15505: dimension j of a code has `levels` steps, evenly from -1 to 1; the
first dimension is the least significant digit of a token. A spec gives only the product of the
levels. If it is not a power of one number, there is no grid, and bends that need one do nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models.codec import CodecSpec, Frame, Tokens

Codes = npt.NDArray[np.float32]  # [tokens, dims], within -1 ... 1
LIMIT = 0.9995  # largest code whose inverse hyperbolic tangent is taken


class Grid:
    """Grid of a codec whose latent has one code per token."""

    def __init__(self, levels: int, dims: int) -> None:
        self.levels, self.dims = levels, dims
        self._half = levels // 2
        self._places = levels ** np.arange(dims, dtype=np.int64)

    def tokens(self, codes: Codes) -> Tokens:
        """Return the nearest tokens [...] of codes [..., dims], clipped to the grid."""
        digits = np.rint(codes * self._half).astype(np.int64) + self._half
        tokens: Tokens = (digits.clip(0, self.levels - 1) * self._places).sum(-1).astype(np.int32)
        return tokens

    def codes(self, tokens: Tokens) -> Codes:
        """Return the codes [..., dims] of tokens [...]."""
        digits = (tokens[..., None].astype(np.int64) // self._places) % self.levels
        return ((digits - self._half) / self._half).astype(np.float32)


def grid_of(spec: CodecSpec) -> Grid | None:
    """Return the grid of a codec; None if it has none, or its levels differ by dimension."""
    count, dims = spec.latent
    if not dims or count != spec.tokens or spec.cardinality < 2:
        return None
    levels = round(spec.cardinality ** (1 / dims))
    return Grid(levels, dims) if levels > 1 and levels**dims == spec.cardinality else None


def with_codes(frame: Frame, codes: Codes, grid: Grid | None) -> Frame:
    """Return the frame with another latent, and the matching tokens where the latent has changed.

    ValueError if the frame has no latent.
    """
    if frame.latent is None:
        raise ValueError("the frame has no latent")
    codes = np.nan_to_num(codes, nan=0.0).clip(-1.0, 1.0).astype(np.float32)
    if grid is None:
        return replace(frame, latent=codes)
    changed = (codes != frame.latent).any(axis=-1)
    return replace(frame, latent=codes, tokens=np.where(changed, grid.tokens(codes), frame.tokens).astype(np.int32))


def unbound(codes: Codes) -> Codes:
    """Return the inverse hyperbolic tangents of codes."""
    values: Codes = np.arctanh(codes.clip(-LIMIT, LIMIT)).astype(np.float32)
    return values
