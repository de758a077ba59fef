"""Containers of uncompressed sound: WAV, RF64, BW64, W64, AIFF, CAF and AU.

Their headers are walked chunk by chunk up to the sound. A size that cannot be right is corrected in what the
demuxer reads: unknown, 0 before sound, or beyond the end of the file. Chunks of odd length whose padding is
missing are found all the same; the demuxer then gets a header without them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import BinaryIO

from realtime.files.part import Layout, Part
from realtime.files.section import Section

UNKNOWN = 0x7FFF0000  # bytes; programs that write to a pipe declare this or more
_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_WITH_SOUND = (b"RIFF", b"RF64", b"FORM", b"riff", b"data", b"SSND")  # of a file that was joined to this one
_NEEDED = (b"fmt ", b"fact", b"ds64", b"data", b"COMM", b"FVER", b"SSND")  # to decode WAV and AIFF
_KNOWN = (  # names that are looked for where padding may be missing
    *_NEEDED,
    *(b"LIST", b"bext", b"iXML", b"JUNK", b"junk", b"PAD ", b"cue ", b"plst", b"smpl", b"inst", b"PEAK", b"id3 "),
    *(b"note", b"labl", b"acid", b"chna", b"axml", b"NAME", b"AUTH", b"(c) ", b"ANNO", b"COMT", b"MARK", b"INST"),
)  # fmt: skip
_LONGEST_FORMAT = 1 << 16  # bytes of a chunk that is put into a new header
MOST_CHUNKS = 10_000


@dataclass(frozen=True)
class _Kind:
    """Kind of container, by how it writes name, size and content of its chunks."""

    demuxer: str
    first: int  # offset of the first chunk
    name: int  # bytes of a chunk's name, of which the first four are compared
    size: str  # struct format of its size
    data: bytes  # name of the chunk of sound
    align: int = 2
    whole: bool = False  # the size counts name and size too
    skipped: int = 0  # bytes of the content before the samples


_WAV = _Kind("wav", 12, 4, "<I", b"data")
_AIFF = _Kind("aiff", 12, 4, ">I", b"SSND", skipped=8)
_W64 = _Kind("w64", 40, 16, "<Q", b"data", align=8, whole=True)
_CAF = _Kind("caf", 8, 4, ">q", b"data", align=1, skipped=4)


def find_layout(file: BinaryIO, start: int, size: int, head: bytes) -> Layout | None:
    """Return the layout, or None if the file is of another kind. `head` has its first bytes."""
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        kind = _Kind("wav", 12, 4, ">I", b"data") if head[:4] == b"RIFX" else _WAV
        return _walk(file, start, size, kind)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _walk(file, start, size, _AIFF)
    if head[:16] == _W64_RIFF:
        return _walk(file, start, size, _W64)
    if head[:4] == b"caff":
        return _walk(file, start, size, _CAF)
    if head[:4] == b".snd":
        return _au(start, size, head)
    if head[:4] == b"FORM" and head[8:12] in (b"8SVX", b"16SV"):
        return Layout((Part("iff", start, size),))
    return None


def _walk(file: BinaryIO, start: int, size: int, kind: _Kind) -> Layout:
    """Find the chunk of sound, and compare its size with the file's."""
    position, ds64, patches = start + kind.first, 0, dict[int, bytes]()
    header = kind.name + struct.calcsize(kind.size)
    padded, formats = True, b""  # of the chunks before the sound, those that the demuxer needs
    for _ in range(MOST_CHUNKS):
        name, length = _read_chunk(file, position, kind) if position < size else (None, 0)
        if name is None:
            break
        content = position + header
        if name == b"ds64":
            ds64 = content
        if name == b"fmt " and kind.size[0] == "<":
            patches |= _corrected_format(file, content, length, start)
        if name == kind.data:
            layout = _sound(file, start, size, kind, position + kind.name, content, length, ds64)
            (part,) = layout.parts
            if not padded:
                return replace(layout, parts=(_with_new_header(file, start, part, kind, formats, content, length),))
            renamed = _metadata_renamed(file, start, size, kind)
            return replace(
                layout, parts=(replace(part, patches={**part.patches, **patches}, without_metadata=renamed),)
            )
        if length < 0:
            break
        if name in _NEEDED and length < _LONGEST_FORMAT:
            formats += Section(file, start, size, patches).part(position - start, content + length - start)
            formats += bytes(length % 2)
        position, aligned = _next_chunk(file, content, length, kind)
        padded = padded and aligned
    return Layout((Part(kind.demuxer, start, size),), ("the sizes of its chunks are wrong",))


def _next_chunk(file: BinaryIO, content: int, length: int, kind: _Kind) -> tuple[int, bool]:
    """Return where the chunk after this content begins, and False if the padding before it is missing."""
    end = content + length
    position = content + -(-length // kind.align) * kind.align
    if kind.align == 2 and position != end:
        aligned, odd = (_read_chunk(file, place, kind)[0] for place in (position, end))
        if odd in _KNOWN and aligned not in _KNOWN:
            return end, False
    return position, True


def _with_new_header(
    file: BinaryIO, start: int, part: Part, kind: _Kind, formats: bytes, content: int, length: int
) -> Part:
    """Return the sound of `part`, `length` bytes by its chunk, behind a header of the chunks `formats` alone."""
    length = min(length if 0 < length < UNKNOWN else part.end - content, part.end - content)
    file.seek(start)
    head = file.read(kind.first)
    name = b"RIFF" if head[:4] in (b"RF64", b"BW64") else head[:4]
    body = head[8:] + formats + kind.data + struct.pack(kind.size, length)
    head = name + struct.pack(kind.size, len(body) + length + length % 2) + body
    return replace(part, start=content, end=content + length, patches={}, head=head, tail=bytes(length % 2))


def _metadata_renamed(file: BinaryIO, start: int, size: int, kind: _Kind) -> dict[int, bytes]:
    """Return patches that make chunks of metadata unknown to the demuxer, by offset."""
    if kind.name != 4 or kind.align != 2:
        return {}
    position, found = start + kind.first, dict[int, bytes]()
    for _ in range(MOST_CHUNKS):
        name, length = _read_chunk(file, position, kind) if position < size else (None, 0)
        if name is None or length < 0:
            break
        if name not in _NEEDED:
            found[position - start] = b"junk"
        position += 8 + length + length % 2
    return found


def _corrected_format(file: BinaryIO, content: int, length: int, start: int) -> dict[int, bytes]:
    """Return corrections of WAVEFORMATEX, by offset: of a block size that samples of this width cannot have,
    of the width where the block has room for wider samples, and of valid bits that are not all bits, since
    FFmpeg takes their number for the width.
    """
    file.seek(content)
    data = file.read(max(0, min(length, 40)))
    if len(data) < 16:
        return {}
    tag, channels, rate, bytes_per_s, block, bits = struct.unpack_from("<HHIIHH", data)
    extensible = tag == 0xFFFE and len(data) == 40
    if tag not in (1, 3) and not (extensible and data[24:26] in (b"\1\0", b"\3\0")):
        return {}
    corrections = {}
    if bits and channels and block != (needed := channels * -(-bits // 8)) and needed < 1 << 16:
        if (block, bytes_per_s) == (4 * channels, rate * block) and 16 < bits < 32:  # 24 bits in 32
            bits = 32
            corrections[content + 14 - start] = struct.pack("<H", bits)
        else:
            corrections[content + 12 - start] = struct.pack("<H", needed)
    if extensible and struct.unpack_from("<H", data, 18)[0] not in (0, bits):
        corrections[content + 18 - start] = struct.pack("<H", bits)
    return corrections


def _read_chunk(file: BinaryIO, position: int, kind: _Kind) -> tuple[bytes | None, int]:
    """Return name and length of the content; None if there is no chunk."""
    file.seek(position)
    header = file.read(kind.name + struct.calcsize(kind.size))
    if len(header) < kind.name + struct.calcsize(kind.size):
        return None, 0
    (length,) = struct.unpack_from(kind.size, header, kind.name)
    return header[:4], length - len(header) if kind.whole else length


def _sound(
    file: BinaryIO, start: int, size: int, kind: _Kind, field: int, content: int, length: int, ds64: int
) -> Layout:
    """Return the layout of a file whose chunk of sound is at `content`; its size is at `field`."""
    there = size - content
    declared = length
    patch_at, patch_as = field, kind.size
    if ds64 and length == 0xFFFFFFFF:  # RF64: the size is elsewhere (EBU Tech 3306)
        file.seek(ds64 + 8)
        declared = int.from_bytes(file.read(8), "little")
        patch_at, patch_as = ds64 + 8, "<Q"
    unknown = declared < 0 or (patch_as != "<Q" and declared >= UNKNOWN) or declared >= 1 << 62
    damage: list[str] = []
    promised = there if unknown else declared
    if unknown or declared > there:
        declared, wrong = there, True
    elif declared == 0 and there and not _chunks_follow(file, content, size, kind):
        declared, promised, wrong = there, there, True
    else:
        wrong = False
        end, _ = _next_chunk(file, content, declared, kind)
        if end < size and not _chunks_follow(file, end, size, kind):
            damage.append(f"{size - end} bytes after the sound are not of a chunk, and not played")
    patches = {}
    if wrong:
        whole = declared + content - field + kind.name if kind.whole else declared
        largest = 0xFFFFFFFF if patch_as[1] == "I" else 1 << 62
        patches[patch_at - start] = struct.pack(patch_as, min(whole, largest))
    tail = bytes((size - start) % 2) if kind is _AIFF else b""  # FFmpeg opens none that lacks its padding
    promised = max(0, promised - kind.skipped)
    missing = 0 if unknown else max(0, promised + kind.skipped - there)
    part = Part(kind.demuxer, start, size, patches, sound_bytes=promised, missing=missing, tail=tail)
    return Layout((part,), tuple(damage))


def _chunks_follow(file: BinaryIO, position: int, size: int, kind: _Kind) -> bool:
    """Return True if chunks with printable names fill the file from here to its end."""
    header = kind.name + struct.calcsize(kind.size)
    for _ in range(MOST_CHUNKS):
        if size - position < 8:
            file.seek(position)
            return not any(file.read(8))  # padding
        name, length = _read_chunk(file, position, kind)
        if name is None or length < 0 or name in _WITH_SOUND or not all(32 <= letter < 127 for letter in name):
            return False
        position, _ = _next_chunk(file, position + header, length, kind)
        if position > size + kind.align:
            return False
    return False


def _au(start: int, size: int, head: bytes) -> Layout:
    offset, declared = struct.unpack_from(">II", head, 4) if len(head) >= 12 else (0, 0)
    there = max(0, size - start - offset)
    if declared >= UNKNOWN or (declared == 0 and there):
        return Layout((Part("au", start, size, {8: struct.pack(">I", 0xFFFFFFFF)}, sound_bytes=there),))
    if declared > there:
        patch = {8: struct.pack(">I", there)}
        return Layout((Part("au", start, size, patch, sound_bytes=declared, missing=declared - there),))
    left = there - declared
    damage = (f"{left} bytes after the sound are not played",) if left else ()
    return Layout((Part("au", start, size, sound_bytes=declared),), damage)
