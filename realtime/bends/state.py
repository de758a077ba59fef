"""What bends are given besides the frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.codec import CodecSpec, Frame
from realtime.bend_params import DEEP
from realtime.bends.grid import Grid

Params = Mapping[str, Any]  # of one bend: {"probability": 0.5, ...}


@dataclass
class Stream:
    """What all bends of a slot share."""

    spec: CodecSpec
    path: str  # continuous or discrete
    grid: Grid | None
    learned: dict[str, Any] = field(default_factory=dict)  # outlives the stream: macro.py
    past: deque[Frame] = field(default_factory=lambda: deque(maxlen=DEEP + 1))  # as encoded; the newest last
    other: Frame | None = None  # what the other slot of this codec decoded last
    levels: int = 0  # that latents were rounded to in this frame; 0: not
    seed: int | None = None  # for the decoder's noise in this frame, instead of its own

    def ago(self, frames: int) -> Frame | None:
        """What was encoded so many frames ago; None if that is too long."""
        return self.past[-1 - frames] if frames < len(self.past) else None


@dataclass
class State:
    """What one bend keeps; forgotten when its settings do nothing any more."""

    stream: Stream
    kept: dict[str, Any] = field(default_factory=dict)


BendFunction = Callable[[Frame, State, Params, np.random.Generator], Frame]


@dataclass(frozen=True)
class Bend:
    """A bend of ours: it is active while one of `amounts` is not at its default."""

    name: str
    run: BendFunction
    amounts: tuple[str, ...]
    params: tuple[str, ...]  # full names without slot, such as mask.fill; the last part is the key it gets
