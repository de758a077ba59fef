"""A rendering job: what goes through which codec, and where to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.codec import Controls
from realtime.rack.effect import EMPTY, Racks

BLOCK = 4096  # samples read at once


@dataclass(frozen=True)
class Job:
    """What to render; path None is the codec's first."""

    source: Path
    target: Path
    codec: str
    path: str | None = None
    mode: str = "autoregressive"
    controls: Controls = field(default_factory=Controls)
    precision: str = "float32"
    tape: Path | None = None  # write the frames there too
    racks: Racks = EMPTY  # the effects after the codec are those of slot A
    values: Mapping[str, str] = field(default_factory=dict)  # of the effects' controls, by name
    seconds: float | None = None  # of a source without end
