"""A rendering job: what goes through which codec, and where to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from models.codec import Controls

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
