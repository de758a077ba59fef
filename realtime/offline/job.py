"""Rendering job: source, codec, target and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.codec import DecoderControls
from realtime.effects.effect import EMPTY, Racks

BLOCK = 4096  # samples read at once


@dataclass(frozen=True)
class Job:
    """One rendering. `path` None is the codec's first."""

    source: Path
    target: Path
    codec: str
    path: str | None = None
    mode: str = "autoregressive"
    controls: DecoderControls = field(default_factory=DecoderControls)
    precision: str = "float32"
    tape: Path | None = None  # also write the frames to it
    racks: Racks = EMPTY  # post effects are those of slot A
    values: Mapping[str, str] = field(default_factory=dict)  # controls of effects by name
    mono: bool = False  # write one channel
    seconds: float | None = None  # length of a source without end
