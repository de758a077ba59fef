"""Context of a bend: what it gets beside the frame and its parameters."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from models.codec import CodecSpec, Frame, Tokens
from realtime.bends.fsq_grid import Codes, Grid, unbound, with_codes

HISTORY_FRAMES = 64  # frames of the past that bends can reach


@dataclass
class BendStream:
    """Stream of frames of one slot, shared by its bends."""

    spec: CodecSpec
    path: str  # continuous or discrete
    grid: Grid | None
    learned: dict[str, Any] = field(default_factory=dict)  # outlives a restart of the stream: latent_pca.py
    past: deque[Frame] = field(default_factory=lambda: deque(maxlen=HISTORY_FRAMES + 1))  # as encoded; newest last
    other: Frame | None = None  # the frame that the other slot of this codec decoded last
    levels: int = 0  # levels to which the latents of this frame were rounded; 0: not rounded
    between: Callable[[Tokens, Tokens, float], Tokens] | None = None  # as models.codec.Interpolating
    seed: int | None = None  # of the decoder's noise in this frame, in place of its own

    def ago(self, frames: int) -> Frame | None:
        """Return the frame that was encoded so many frames ago; None beyond the history."""
        return self.past[-1 - frames] if frames < len(self.past) else None

    def values(self, latent: Codes) -> Codes:
        """Return the values of a latent that bends calculate with: those before its bound, if it has one."""
        return unbound(latent) if self.spec.bounded else latent

    def with_values(self, frame: Frame, values: Codes) -> Frame:
        """Return the frame with the latent of these values; see `with_latent`."""
        return self.with_latent(frame, np.tanh(values) if self.spec.bounded else values)

    def with_latent(self, frame: Frame, latent: Codes) -> Frame:
        """Return the frame with another latent, and the tokens that belong to it.

        NaN becomes 0, and a bounded latent is clipped to its bound. ValueError if the frame has no
        latent.
        """
        if self.spec.bounded:
            return with_codes(frame, latent, self.grid)
        return replace(frame, latent=np.nan_to_num(latent, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32))


@dataclass
class BendState:
    """State of one bend between frames. Discarded when the bend becomes inactive."""

    stream: BendStream
    kept: dict[str, Any] = field(default_factory=dict)
