"""Formats of audio files that are written, by the extension of the name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from realtime.files.errors import AudioFileError

OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)  # Hz
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
COMPRESSION = 0.2  # of Ogg and MP3, 0 the largest files and 1 the smallest


@dataclass(frozen=True)
class OutputFormat:
    """Format and subtype, as soundfile names them."""

    format: str
    subtype: str
    rates: tuple[int, ...] = ()  # Hz; empty: all
    tags: bool = True
    compression: float | None = None
    clips: bool = False  # samples beyond full scale are clipped

    def rate_for(self, rate: int) -> int:
        """Return the rate to write: the given one, the lowest above it, or the highest."""
        if self.format == "FLAC" and rate > 65_535:  # in tens of Hz from there on (RFC 9639, 9.1.2)
            return -(-rate // 10) * 10
        if not self.rates or rate in self.rates:
            return rate
        return min((other for other in self.rates if other > rate), default=self.rates[-1])


WAV = OutputFormat("RF64", "FLOAT")  # RF64 from 4 GB on
_FORMATS = {
    ".wav": WAV,
    ".flac": OutputFormat("FLAC", "PCM_24", clips=True),
    ".ogg": OutputFormat("OGG", "VORBIS", compression=COMPRESSION),
    ".opus": OutputFormat("OGG", "OPUS", OPUS_RATES, compression=COMPRESSION),
    ".mp3": OutputFormat("MP3", "MPEG_LAYER_III", MP3_RATES, compression=COMPRESSION),
    ".caf": OutputFormat("CAF", "FLOAT"),
    ".w64": OutputFormat("W64", "FLOAT", tags=False),
    ".au": OutputFormat("AU", "FLOAT", tags=False),
    ".aiff": OutputFormat("AIFF", "FLOAT"),
    ".aif": OutputFormat("AIFF", "FLOAT"),
}


def output_format(path: Path) -> OutputFormat:
    """Return the format of a name: WAV without an extension. AudioFileError if it cannot be written."""
    suffix = path.suffix.lower()
    if not suffix:
        return WAV
    if suffix not in _FORMATS:
        raise AudioFileError(f"{path}: {suffix} cannot be written. Pass a name that ends in {', '.join(_FORMATS)}.")
    return _FORMATS[suffix]
