"""Frames of MPEG audio (MP1, MP2, MP3; ISO 11172-3, 2.4.1) and of AAC in ADTS, walked one by one.

Files that were joined are split where a new Xing header begins, or the rate or the number of channels changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from realtime.files.part import Layout, Part

LEAST = 3  # frames in a row that make a stream
MOST_SKIPPED = 4608  # samples, of an encoder's delay and padding; more is damage
XING_BYTES = 192  # bytes from a frame's beginning that hold all of a Xing header
SEARCHED = 1 << 17  # bytes in which the first frame has to begin
_KBPS = {  # by (version 1, layer)
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_KBPS[(False, 3)] = _KBPS[(False, 2)]
_RATES = (44_100, 48_000, 32_000)
_ADTS_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)


@dataclass(frozen=True)
class FrameHead:
    """Header of a frame."""

    demuxer: str
    size: int  # bytes
    samples: int
    rate: int  # Hz
    channels: int
    side: int  # bytes of side information of layer 3, after which a Xing header stands


def parse_head(data: bytes) -> FrameHead | None:
    """Return the header in 7 bytes, or None if they are none."""
    if len(data) < 7 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    if data[1] & 0xF6 == 0xF0:
        return _adts(data)
    version, layer = data[1] >> 3 & 3, 4 - (data[1] >> 1 & 3)
    bitrate, rate = data[2] >> 4, data[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    one = version == 3
    hz = _RATES[rate] >> (0 if one else 1 if version == 2 else 2)
    bits = _KBPS[(one, layer)][bitrate - 1] * 1000
    padding = data[2] >> 1 & 1
    samples = 384 if layer == 1 else 1152 if layer == 2 or one else 576
    size = (12 * bits // hz + padding) * 4 if layer == 1 else samples // 8 * bits // hz + padding
    channels = 1 if data[3] >> 6 == 3 else 2
    side = ((17, 32) if one else (9, 17))[channels - 1] if layer == 3 else 0
    return FrameHead("mp3", size, samples, hz, channels, side)


def _adts(data: bytes) -> FrameHead | None:
    rate, size = data[2] >> 2 & 15, (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
    if rate >= len(_ADTS_RATES) or size < 7:
        return None
    channels = (data[2] & 1) << 2 | data[3] >> 6
    return FrameHead("aac", size, 1024 * ((data[6] & 3) + 1), _ADTS_RATES[rate], channels, 0)


def skip_tags(file: BinaryIO, position: int, size: int) -> int:
    """Return the position after the tags that begin here: ID3v2, ID3v1, APE."""
    while position < size:
        file.seek(position)
        head = file.read(32)
        if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 128:
            length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            end = position + 10 + length + (10 if head[5] & 16 else 0)
            position = end if end < size else position + 10  # a size that cannot be
        elif head[:3] == b"TAG" and size - position == 128:
            position += 128
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            is_header = head[23] & 0x20
            position += 32 + (int.from_bytes(head[12:16], "little") if is_header else 0)
        else:
            break
    return min(position, size)


def find_layout(file: BinaryIO, start: int, size: int) -> Layout | None:
    """Return a part for each stream of frames, or None if no frames follow each other near the start."""
    found = _find_frames(file, start, min(size, start + SEARCHED), size)
    if found is None:
        return None
    parts: list[Part] = []
    kind: tuple[str, int, int] | None = None
    position, begun, declared, skipped, cut, asked = found, found, 0, found - start, 0, 0
    end = found  # of the last frame
    while position < size:
        head, data = _read_head(file, position)
        if head is None:
            following = skip_tags(file, position, size)
            if following == position:
                found = _find_frames(file, position + 1, size, size)
                following = size if found is None else found
                skipped += following - position
            position = following
            continue
        new, (promised, skip) = (head.demuxer, head.rate, head.channels), _promised_samples(data, head)
        asked = max(asked, skip)
        if kind is None:
            kind, declared = new, promised or 0
        elif new != kind or promised is not None:
            parts.append(Part(kind[0], begun, end, declared=declared))
            kind, begun, declared = new, position, promised or 0
        cut = max(0, position + head.size - size)
        position = end = min(position + head.size, size)
    if kind is None:
        return None
    parts.append(Part(kind[0], begun, end, declared=declared))
    damage = []
    if asked > MOST_SKIPPED:
        damage.append(f"the header asks to skip {asked} samples of silence around the sound")
    if cut:
        damage.append(f"truncated, {cut} bytes of the last frame are missing")
    if skipped:
        damage.append(f"{skipped} bytes are not part of a frame")
    return Layout(tuple(parts), tuple(damage))


def _read_head(file: BinaryIO, position: int) -> tuple[FrameHead | None, bytes]:
    """Return the header of the frame at a position, and the frame's first bytes."""
    file.seek(position)
    data = file.read(XING_BYTES)
    return parse_head(data), data


def _find_frames(file: BinaryIO, position: int, limit: int, size: int) -> int | None:
    """Return where in [position, limit) LEAST frames of one kind follow each other, or frames up to the end."""
    while position < limit:
        file.seek(position)
        block = file.read(min(1 << 16, limit - position))
        if not block:
            return None
        at = block.find(0xFF)
        while at >= 0:
            if _frames_follow(file, position + at, size):
                return position + at
            at = block.find(0xFF, at + 1)
        position += len(block)
    return None


def _frames_follow(file: BinaryIO, position: int, size: int) -> bool:
    kind = None
    for _ in range(LEAST):
        head, _ = _read_head(file, position)
        if head is None or kind not in (None, (head.demuxer, head.rate)):
            return kind is not None and position < size and skip_tags(file, position, size) == size
        kind = (head.demuxer, head.rate)
        position += head.size
        if position >= size:
            return position == size
    return True


def _promised_samples(data: bytes, head: FrameHead) -> tuple[int | None, int]:
    """Return the samples that a Xing, Info or VBRI header promises, 0 if it does not, and those that it
    asks to skip; None without a header.
    """
    if head.demuxer != "mp3":
        return None, 0
    at = 4 + head.side
    if data[at : at + 4] in (b"Xing", b"Info"):
        flags = int.from_bytes(data[at + 4 : at + 8], "big")
        frames = int.from_bytes(data[at + 8 : at + 12], "big") if flags & 1 else 0
        at += 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
        trim = int.from_bytes(data[at + 21 : at + 24], "big") if data[at : at + 4] in (b"LAME", b"Lavc", b"Lavf") else 0
        skip = (trim >> 12) + (trim & 0xFFF)
        return max(0, frames * head.samples - skip), skip
    if data[36:40] == b"VBRI":
        return int.from_bytes(data[50:54], "big") * head.samples, 0
    return None, 0
