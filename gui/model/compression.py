"""Compression of a slot: bits of the input, nominal and measured bits of the codec."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gui.model.codec_names import Row, kilobits, nominal_of, variant_of
from realtime.client import CodecInfo

CHANNELS, PCM_BITS = 2, 16  # of the input as a CD has it, the usual yardstick
LATENT_BITS = 16  # of each value of a latent, as tapes store it


@dataclass(frozen=True)
class Compression:
    """Bitrates in kbit/s; a measured one of 0 is unknown."""

    source: float
    nominal: float
    measured: float = 0.0  # of the frames sent
    coded: float = 0.0  # of the same frames under an entropy coder

    @property
    def rates(self) -> str:
        """Return the bitrates of input and codec."""
        return f"{self.source:.0f} → {kilobits(self.nominal)} kbit/s"

    @property
    def ratio(self) -> str:
        """Return the nominal compression."""
        ratio = self.source / self.nominal if self.nominal > 0 else 0.0
        return f"{ratio:.0f} : 1" if ratio >= 10 else f"{ratio:.1f} : 1"

    @property
    def measurement(self) -> str:
        """Return the measured bitrates in words."""
        parts = [f"measured {self.measured:.2f}"] if self.measured else []
        parts += [f"{self.coded:.2f} entropy-coded"] if self.coded else []
        return ", ".join(parts)


def nominal_kbps(codec: str, info: CodecInfo, row: Row | None, sent: int = 0) -> float:
    """Return the nominal kbit/s of a codec that plays; `sent` codebooks of it (0: all)."""
    spec = info.spec
    if info.path == "continuous":
        return math.prod(spec.latent) * LATENT_BITS * spec.frame_rate / 1000
    if spec.tokens and spec.cardinality > 1:
        part = min(sent, spec.books) / spec.books if sent and spec.books else 1.0
        variant = variant_of(codec)
        if row and spec.books and variant.replace(".", "", 1).isdecimal():
            return float(variant) * part
        return spec.tokens * math.log2(spec.cardinality) * spec.frame_rate / 1000 * part
    return nominal_of(variant_of(codec), row) if row else 0.0


def compression(
    codec: str, info: CodecInfo, row: Row | None, sent: int, rate: int, bits: tuple[float, float]
) -> Compression:
    """Return the compression of a slot; `rate` of the stream in Hz, `bits` measured and coded in
    kbit/s.
    """
    return Compression(CHANNELS * PCM_BITS * rate / 1000, nominal_kbps(codec, info, row, sent), *bits)
