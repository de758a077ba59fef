"""A residual network of the catalogue's kind that is quick to make and to run."""

from __future__ import annotations

from dataclasses import replace

from models.residual.rvq import QuantiserConfig
from models.residual.seanet import SeanetConfig, soundstream


def narrow(books: int = 8, size: int = 1024, groups: int = 1) -> SeanetConfig:
    """Return SoundStream's sizes, but narrow, at 48 kHz in stereo: frames of 320 samples."""
    quantiser = QuantiserConfig(16, books, size, groups=groups)
    return replace(soundstream(), name="narrow", sample_rate=48_000, channels=2, width=4, quantiser=quantiser)
