"""Decoding of an audio file's parts by FFmpeg, packet by packet. A damaged packet costs itself alone."""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Iterator
from typing import BinaryIO

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from realtime.files.frame_clock import FrameClock
from realtime.files.part import Part
from realtime.files.section import Section

Audio = npt.NDArray[np.float32]

HEAD = 48  # packets decoded to learn rate, channels and the encoder's delay; Opus may skip 32 short ones
_PCM = {"probesize": "4096", "max_probe_packets": "1"}  # without a search for other formats in the samples
_OLD_TAGS = ("cp1252", "replace")  # encoding of tags that are not UTF-8, and what to do with other bytes
_CHECKED = {"err_detect": "crccheck+explode"}  # a frame with a wrong checksum is an error
_NOTHING = np.zeros((1, 0), np.float32)
_LONGEST = 10 * 192_000  # samples of silence in place of one packet
_LONGEST_BLOCK = 8192  # samples of a packet of Vorbis; of Opus 5760
_LONGEST_PACKET_S = 1.1  # of TTA
_AGREEING = 4  # frames whose timestamps agree where decoding begins
_FAILURES = 3  # of the demuxer, one after the other, that end a part
_MEMORY_S = {  # seconds, more than a packet, after which a decoder has forgotten what came before, bit for bit
    **dict.fromkeys(("flac", "alac", "tta", "wavpack", "vorbis", "mp3float"), 1.5),
    "opus": 2.5,
}
_INDEXED = ("mov", "matroska", "ogg", "wav", "w64", "aiff", "caf", "au")  # demuxers that go to a time exactly
_FULL_SCALE = {"u8": 2**7, "s16": 2**15, "s32": 2**31}


_ERRORS = (av.FFmpegError, ValueError, OverflowError, MemoryError)  # of FFmpeg and its bindings, for damaged data


class PartError(Exception):
    """Part that cannot be decoded at all."""


class PartDecoder:
    """Decoder of one part. `damage` says what was lost so far, as clauses. One thread at a time."""

    def __init__(self, file: BinaryIO, part: Part) -> None:
        """Open it. PartError if FFmpeg cannot."""
        self.damage: list[str] = []
        self._lost = 0  # packets
        self._first_lost = 0.0  # seconds
        self._length = part.length
        self._file, self._part = file, part
        self._open()
        self.metadata = {**self._container.metadata, **self._stream.metadata}

    def _open(self) -> None:
        self._container = container = _open_container(self._file, self._part)
        codecs: list[AudioCodecContext | None] = [stream.codec_context for stream in container.streams.audio]
        if not codecs or codecs[0] is None or (codecs[0].name.startswith("pcm") and not codecs[0].channels):
            container.close()
            raise PartError("no sound in it that is known")
        self._stream: AudioStream = container.streams.audio[0]
        self._codec = codecs[0]
        self._codec.thread_count = 1
        if self._codec.name == "flac":
            self._codec.options = _CHECKED

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec, such as pcm_f32le."""
        return self._codec.name

    @property
    def channels(self) -> int:
        """Channels, as the header says; at least 1."""
        return max(1, self._codec.channels)

    @property
    def declared(self) -> float:
        """Seconds that the header promises; 0 if it promises none."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return (self._container.duration or 0) / av.time_base

    def blocks(self, first: int = 0) -> Iterator[tuple[int, Audio]]:
        """Yield rate and samples [C, n], in order, from sample `first` on: those of a decoder that began
        with sample 0. Silence stands for a packet that cannot be decoded.

        Decoders that forget begin shortly before `first`; all others decode what is before it.
        """
        if not self._length:
            yield from self._decode(first)
            return
        done, beyond = first, list[tuple[int, Audio]]()
        for rate, audio in self._decode(first):
            inside = max(0, self._length - done)
            done += audio.shape[1]
            if inside:
                yield rate, audio[:, :inside]
            if audio.shape[1] > inside:
                beyond.append((rate, audio[:, inside:]))
            if done > self._length + _LONGEST_BLOCK:  # the length is wrong
                yield from beyond
                beyond.clear()

    def _decode(self, first: int) -> Iterator[tuple[int, Audio]]:
        done, frames = self._approach(first) if first else (0, [])
        rate, channels = 0, 1
        for frame in itertools.chain(frames, self._frames()):
            size = frame if isinstance(frame, int) else frame.samples
            seconds, before, done = (done / rate if rate else 0.0), max(0, first - done), done + size
            if isinstance(frame, int):
                self._count_damaged(seconds)
                audio = np.zeros((channels, max(0, size - before)), np.float32)
            else:
                if frame.is_corrupt:
                    self._count_damaged(seconds)
                rate = frame.sample_rate
                channels = frame.layout.nb_channels
                audio = _to_float(frame)[:, before:] if before < size else _NOTHING
            if audio.shape[1]:
                yield rate, audio
        if self._lost:
            packets = "packet is" if self._lost == 1 else "packets are"
            self.damage.append(f"{self._lost} {packets} damaged, the first at {self._first_lost:.3f} s")

    def _frames(self) -> Iterator[AudioFrame | int]:
        """Yield the frames from here on; the samples of a packet that cannot be decoded in place of its frames."""
        rate = 0
        for packet in self._packets():
            try:
                frames = self._codec.decode(packet)
            except _ERRORS:
                yield _samples_of(packet, rate)
                continue
            for frame in frames:
                rate = frame.sample_rate
                if frame.samples:
                    yield frame

    def _approach(self, first: int) -> tuple[int, list[AudioFrame]]:
        """Go to a place before sample `first` from which the decoder gives the same samples as from the
        beginning. Return its sample and the frames decoded from there on; `_frames` has those that follow.
        """
        try:
            if found := self._jump(first):
                return found
        except (*_ERRORS, OSError):
            pass  # a damaged file is decoded from its beginning
        self._container.close()
        self._open()
        return 0, []

    def _jump(self, first: int) -> tuple[int, list[AudioFrame]] | None:
        """Do as `_approach` says, by timestamps; None if they do not lead there."""
        name, base, rate = self._codec.name, self._stream.time_base, self._codec.sample_rate
        memory = 1.5 if name.startswith("pcm_") else _MEMORY_S.get(name)
        if memory is None or base is None or first < 2 * memory * rate:
            return None
        clock, done, begin = FrameClock(rate, base, by_end=name == "vorbis"), 0, first - round(memory * rate)
        for packet in itertools.islice(self._packets(), HEAD):
            for frame in self._codec.decode(packet):
                if packet is None or not clock.learn(packet, frame, done):
                    return None
                done += frame.samples
            if done > rate:
                break
        if done > begin:
            return None
        end, agreeing = 0, 0
        for packet in self._packets_from(begin, clock):
            frames = [frame for frame in self._codec.decode(packet) if frame.samples]
            for number, frame in enumerate(frames):
                if agreeing < _AGREEING:  # later ones are counted: an Ogg's last page has odd timestamps
                    place = clock.position(packet, frame)
                    if place is None or (agreeing and place != end) or frame.sample_rate != rate:
                        return None
                    end, agreeing = place, agreeing + 1
                end += frame.samples
                if end > first:
                    return (end - frame.samples, frames[number:]) if end - frame.samples <= first else None
        return None

    def _packets_from(self, begin: int, clock: FrameClock) -> Iterator[Packet[AudioStream]]:
        """Yield packets for a decoder that has forgotten all, from shortly after sample `begin` on; none if
        timestamps do not lead there, or show a gap.
        """
        indexed = self._part.demuxer in _INDEXED and self._codec.name != "vorbis"
        if indexed and (timestamp := clock.timestamp(begin)):
            self._container.seek(timestamp, stream=self._stream)
        self._codec.flush_buffers()
        expected: float | None = None  # where the next packet begins, if none is lost
        gap = 1.0 if self._codec.name != "vorbis" else float(_LONGEST_BLOCK)
        packets = self._packets()
        for packet in packets:
            at = None if packet is None else clock.of_packet(packet)
            if packet is None or (not indexed and at is None):
                return
            if at is None:  # the first ones after a seek
                continue
            if not indexed and expected is not None and abs(at - expected) > gap:
                return
            expected = at + clock.length(packet)
            if at >= begin:
                if at <= begin + _LONGEST_PACKET_S * self._codec.sample_rate:
                    yield packet
                    yield from itertools.takewhile(lambda packet: packet is not None, packets)
                return

    def count(self) -> tuple[int, int]:
        """Return rate and samples of the part: exact for up to HEAD packets, then by the packets' durations,
        or by their number where those are rounded and all packets are alike.

        No more than HEAD packets are decoded. Call it in place of `blocks`, not with it.
        """
        decoded, rate, seconds, skipped, packets = 0, 0, 0.0, 0, 0
        first = last = 0.0  # seconds, of the packets after the head: where they begin and end
        sizes: set[int] = set()  # samples of the frames in the middle of the head
        for number, packet in enumerate(self._packets()):
            if number <= HEAD:
                with contextlib.suppress(*_ERRORS):
                    frames = self._codec.decode(packet)
                    if number == HEAD and packet is not None:
                        frames += self._codec.decode(None)
                    decoded += sum(frame.samples for frame in frames)
                    rate = next((frame.sample_rate for frame in frames), rate)
                    sizes |= {frame.samples for frame in frames} if 1 < number < HEAD else set()
                if packet is None:
                    return rate, self._trimmed(decoded)
            elif packet is not None:
                packets += 1
                duration = float((packet.duration or 0) * (packet.time_base or 0))
                if packet.pts is not None and packet.time_base is not None:
                    at = float(packet.pts * packet.time_base)
                    first, last = (at if packets == 1 else first), max(last, at + duration)
                seconds += duration
                if packet.has_sidedata("skip_samples"):
                    start, end = struct.unpack_from("<II", bytes(packet.get_sidedata("skip_samples")))
                    skipped += start + end
        demuxer = self._container.format.name
        if len(sizes) == 1 and demuxer.startswith(("mov", "matroska")) and not self._codec.name.startswith("pcm"):
            count = packets * sizes.pop() - skipped
        elif demuxer == "ogg":  # its pages tell the time; FFmpeg's durations of Vorbis packets are too short
            count = round((last - first) * rate)
        else:
            count = round(seconds * rate) - skipped
        return rate, self._trimmed(max(0, decoded + count))

    def close(self) -> None:
        """Close the demuxer; the file stays open."""
        self._container.close()

    def _packets(self) -> Iterator[Packet[AudioStream] | None]:
        """Yield the packets, then None, on which the decoder gives what it holds."""
        failures = 0
        while failures < _FAILURES:
            try:
                for packet in self._container.demux(self._stream):
                    if not packet.size and packet.pts is None:
                        yield None
                        return
                    failures = 0
                    yield packet
                break
            except (*_ERRORS, OSError):
                failures += 1
        if failures:
            self.damage.append("the container cannot be read to its end")
        yield None

    def _trimmed(self, count: int) -> int:
        return self._length if self._length and abs(count - self._length) <= _LONGEST_BLOCK else count

    def _count_damaged(self, seconds: float) -> None:
        if not self._lost:
            self._first_lost = seconds
        self._lost += 1


def _open_container(file: BinaryIO, part: Part) -> InputContainer:
    """Open the demuxer: with tags in UTF-8, else in Windows' code page, else without metadata that it
    cannot read. PartError if the sound cannot be opened either.
    """
    options = _PCM if part.demuxer in ("wav", "w64", "aiff", "caf", "au") else {}
    bare = {**part.patches, **part.without_metadata}
    failure: Exception = PartError("")
    for patches, encoding, errors in (
        (part.patches, "utf-8", "strict"),
        (part.patches, *_OLD_TAGS),
        (bare, *_OLD_TAGS),
    ):
        try:
            return av.open(
                Section(file, part.start, part.end, patches, head=part.head, tail=part.tail),
                "r",
                format=part.demuxer,
                options=options,
                metadata_encoding=encoding,
                metadata_errors=errors,
            )
        except (*_ERRORS, OSError) as error:
            failure = error
    raise PartError(str(failure)) from failure


def _samples_of(packet: Packet[AudioStream] | None, rate: int) -> int:
    """Return how many samples the container says are in a packet, within bounds."""
    if packet is None or not packet.duration:
        return 0
    return max(0, min(round(packet.duration * packet.time_base * rate), _LONGEST))


def _to_float(frame: AudioFrame) -> Audio:
    """Return [C, n] float32, full scale 1."""
    if frame.format.name.startswith("s64"):  # the bindings make no array of them
        (frame,) = av.AudioResampler("dblp", frame.layout).resample(frame)
    planes, kind = frame.to_ndarray(), frame.format.name.removesuffix("p")
    if not frame.format.is_planar:
        planes = planes.reshape(-1, frame.layout.nb_channels).T
    if kind in ("flt", "dbl"):
        with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite or is NaN is reported
            return np.ascontiguousarray(planes, np.float32)
    scale = _FULL_SCALE[kind]
    zero = scale if kind == "u8" else 0
    return ((planes.astype(np.float64) - zero) / scale).astype(np.float32)
