"""Settings of an engine, fixed before its stream starts."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.effects.effect import EMPTY, Racks

CodecPath = tuple[str, str | None]  # codec and path of CODEC[:PATH]; None: the codec's default path


@dataclass(frozen=True)
class Settings:
    """Codecs, sample rate (Hz), block size and minimum latency (samples) of a stream."""

    rate: int
    block: int  # largest block of the driver
    slot_a: CodecPath
    slot_b: CodecPath | None
    latency: int = 0  # minimum; 0: as little as the codecs need
    precision: str = "float32"
    offline: bool = False  # the driver waits for the worker, which then runs in a thread
    racks: Racks = EMPTY

    @property
    def slots(self) -> tuple[tuple[int, str, str | None], ...]:
        """Slots in use as (number, codec, path)."""
        return tuple((slot, *codec) for slot, codec in enumerate((self.slot_a, self.slot_b)) if codec)


def format_codec(codec: CodecPath) -> str:
    """Return CODEC[:PATH] as the user types it."""
    return ":".join(part for part in codec if part)
