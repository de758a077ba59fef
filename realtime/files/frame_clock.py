"""Positions of decoded frames in a part, by their timestamps."""

from __future__ import annotations

from fractions import Fraction

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet

_TICKS = 1.5  # of the container's clock, by which a rounded timestamp may be off


class FrameClock:
    """Relation of timestamps to samples, learned from the first frames of a part."""

    def __init__(self, rate: int, base: Fraction, *, by_end: bool) -> None:
        """`base` is the container's tick in seconds. `by_end`: timestamp and duration of a packet give the
        end of its frame, as with Vorbis, where a short block after a long one has a late timestamp.
        """
        self._tick = float(base * rate)  # samples
        self._by_end = by_end
        self._origin: float | None = None  # samples: timestamp of sample 0
        self._sizes: list[int] = []  # of the frames so far

    def learn(self, packet: Packet[AudioStream], frame: AudioFrame, done: int) -> bool:
        """Note a frame that begins with sample `done`. Return False if its timestamp contradicts that."""
        time = self._time(packet, frame)
        if self._origin is None and time is not None:
            self._origin = time - done
        self._sizes.append(frame.samples)
        return self.position(packet, frame) in (None, done)

    def position(self, packet: Packet[AudioStream], frame: AudioFrame) -> int | None:
        """Return the first sample of a packet's frame; None if its timestamp gives no position.

        Where the container's clock is coarser than a sample, frames must all have one size.
        """
        time = self._time(packet, frame)
        if time is None or self._origin is None:
            return None
        at = time - self._origin
        if self._tick <= 1:
            return round(at)
        first, *rest = self._sizes
        size = rest[0] if len(set(rest)) == 1 else 0
        if self._by_end or size <= 4 * self._tick:
            return None
        nearest = first + round((at - first) / size) * size
        return nearest if abs(nearest - at) <= _TICKS * self._tick else None

    def of_packet(self, packet: Packet[AudioStream]) -> float | None:
        """Return the first sample of a packet, roughly; None without a timestamp."""
        return None if packet.pts is None or self._origin is None else packet.pts * self._tick - self._origin

    def length(self, packet: Packet[AudioStream]) -> float:
        """Return the duration of a packet in samples, 0 if it is unknown."""
        return (packet.duration or 0) * self._tick

    def timestamp(self, sample: int) -> int | None:
        """Return the timestamp of a sample, in ticks."""
        return None if self._origin is None else int((sample + self._origin) / self._tick)

    def _time(self, packet: Packet[AudioStream], frame: AudioFrame) -> float | None:
        if self._by_end:
            at = packet.pts
            return None if at is None else (at + (packet.duration or 0)) * self._tick - frame.samples
        if frame.pts is None or frame.time_base is None:
            return None
        return float(frame.pts * frame.time_base * frame.sample_rate)
