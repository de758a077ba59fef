"""Positions of decoded frames in a part, by their timestamps."""

from __future__ import annotations

from fractions import Fraction

from av.audio.frame import AudioFrame
from av.packet import Packet

_TICKS = 1.5  # of the container's clock, by which a rounded timestamp may be off


class FrameClock:
    """Relation of timestamps to samples, learned from the first frames of a part."""

    def __init__(self) -> None:
        self._origin: Fraction | None = None  # samples: timestamp of sample 0
        self._sizes: list[int] = []  # of the frames so far

    def learn(self, frame: AudioFrame, done: int) -> None:
        """Note a frame that begins with sample `done`."""
        time = _samples(frame.pts, frame.time_base, frame.sample_rate)
        if self._origin is None and time is not None:
            self._origin = time - done
        self._sizes.append(frame.samples)

    def position(self, frame: AudioFrame) -> int | None:
        """Return the first sample of a frame; None if its timestamp does not tell.

        Where the container's clock is coarser than a sample, frames must all have one size.
        """
        time = _samples(frame.pts, frame.time_base, frame.sample_rate)
        if time is None or self._origin is None or frame.time_base is None:
            return None
        at, tick = time - self._origin, frame.time_base * frame.sample_rate
        if tick <= 1:
            return round(at)
        first, *rest = self._sizes
        size = rest[0] if len(set(rest)) == 1 else 0
        if not size or size <= 4 * tick:
            return None
        nearest = first + round((at - first) / size) * size
        return nearest if abs(nearest - at) <= _TICKS * tick else None

    def of_packet(self, packet: Packet, rate: int) -> float | None:  # type: ignore[type-arg]
        """Return the first sample of a packet, roughly; None without a timestamp."""
        time = _samples(packet.pts, packet.time_base, rate)
        return None if time is None or self._origin is None else float(time - self._origin)

    def timestamp(self, sample: int, rate: int, base: Fraction) -> int | None:
        """Return the timestamp of a sample, in units of `base`, rounded down."""
        return None if self._origin is None else int((sample + self._origin) / rate / base)


def _samples(timestamp: int | None, base: Fraction | None, rate: int) -> Fraction | None:
    return None if timestamp is None or base is None else timestamp * base * rate
