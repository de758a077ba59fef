"""Ogg pages (RFC 3533): streams that are chained in one file, damaged pages, and a missing end."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from realtime.files.part import Layout, Part

_PAGE = struct.Struct("<4sBBqIIIB")  # capture, version, flags, granule, serial, number, checksum, segments
FIRST, LAST = 2, 4  # flags: of a stream's first and last page
LONGEST = 65_307  # bytes of a page
_LONGEST_PAGE = 10 * 48_000  # samples; a stream whose first page ends later was cut from a longer one
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def find_layout(file: BinaryIO, start: int, size: int) -> Layout:
    """Return one part for each link of a chain. A link begins with the first pages of its streams."""
    links: list[_Link] = []
    position, skipped, damaged = start, 0, 0
    while position < size:
        page = _read_page(file, position)
        if page is None:
            following = _find_capture(file, position + 1, size)
            skipped += following - position
            position = following
            continue
        if not links or (page.flags & FIRST and links[-1].playing):
            links.append(_Link(position))
        links[-1].add(page)
        damaged += not page.whole
        position = page.end
    damage = []
    if damaged:
        damage.append(f"{damaged} {'page has' if damaged == 1 else 'pages have'} a wrong checksum")
    if lost := sum(link.lost for link in links):
        damage.append(f"{lost} {'page is' if lost == 1 else 'pages are'} missing")
    if disordered := sum(link.disordered for link in links):
        damage.append(f"{disordered} {'page is' if disordered == 1 else 'pages are'} repeated or out of order")
    if any(link.open for link in links):
        damage.append("the end of the stream is not marked, so it may be truncated")
    if skipped:
        damage.append(f"{skipped} bytes are not part of a page")
    return Layout(tuple(link.part() for link in links), tuple(damage))


@dataclass(frozen=True)
class _Page:
    start: int
    data: bytes  # with a checksum of 0
    whole: bool  # the checksum is right
    flags: int
    granule: int  # samples up to the end of its last packet, -1 if none ends in it
    serial: int
    number: int

    @property
    def end(self) -> int:
        return self.start + len(self.data)

    @property
    def pre_skip(self) -> int:
        """Samples to skip at the start of an Opus stream (RFC 7845, 5.1), if this is its first page."""
        at = self.data.find(b"OpusHead", 0, 64)
        return int.from_bytes(self.data[at + 10 : at + 12], "little") if at >= 0 else 0


class _Link:
    """Streams that begin together."""

    def __init__(self, start: int) -> None:
        self._start, self._end = start, start
        self.open: set[int] = set()  # streams without their last page
        self.playing = False  # a page that is not a stream's first has been read
        self.lost = self.disordered = 0  # pages
        self._next: dict[int, int] = {}
        self._last: _Page | None = None
        self._granule, self._first_granule, self._pre_skip = 0, 0, 0

    def add(self, page: _Page) -> None:
        """Take the next page."""
        self._end = page.end
        self.playing |= not page.flags & FIRST
        if not page.whole:  # its fields may be wrong
            self._next.clear()
            return
        expected = self._next.get(page.serial, page.number)
        self.lost += max(0, page.number - expected)
        self.disordered += page.number < expected
        self._next[page.serial] = page.number + 1
        if page.flags & LAST:
            self.open.discard(page.serial)
        else:
            self.open.add(page.serial)
        if page.flags & FIRST:
            self._pre_skip = page.pre_skip
        if page.granule > 0:
            self._granule = page.granule
            self._first_granule = self._first_granule or page.granule
        self._last = page

    def part(self) -> Part:
        """Return the part. Its last page is not marked as the last: FFmpeg would then trim Vorbis of one
        page too far. The length is given instead.
        """
        last, patches = self._last, dict[int, bytes]()
        if last and last.end == self._end and last.flags & LAST and len(self._next) == 1:
            flags = bytes([last.flags & ~LAST])
            checksum = _checksum(last.data[:5] + flags + last.data[6:])
            at = last.start - self._start
            patches = {at + 5: flags, at + 22: struct.pack("<I", checksum)}
        from_start = self._first_granule <= _LONGEST_PAGE and len(self._next) == 1
        length = max(0, self._granule - self._pre_skip) if from_start else 0
        return Part("ogg", self._start, self._end, patches, length=length)


def _read_page(file: BinaryIO, position: int) -> _Page | None:
    """Return the page at a position, or None if none is there."""
    file.seek(position)
    head = file.read(_PAGE.size)
    if len(head) < _PAGE.size or head[:5] != b"OggS\0":
        return None
    _, _, flags, granule, serial, number, checksum, segments = _PAGE.unpack(head)
    table = file.read(segments)
    body = file.read(sum(table))
    if len(table) < segments or len(body) < sum(table):
        return None
    data = head[:22] + bytes(4) + head[26:] + table + body
    return _Page(position, data, _checksum(data) == checksum, flags, granule, serial, number)


def _checksum(data: bytes) -> int:
    """Return Ogg's CRC-32, most significant bit first, by zlib's, which is least significant first."""
    reflected = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def _find_capture(file: BinaryIO, position: int, size: int) -> int:
    """Return the position of the next "OggS", or the size of the file."""
    while position < size:
        file.seek(position)
        data = file.read(LONGEST)
        at = data.find(b"OggS")
        if at >= 0:
            return position + at
        if len(data) < 4:
            break
        position += len(data) - 3
    return size
