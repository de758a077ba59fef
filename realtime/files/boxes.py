"""Outermost elements of MP4 (ISO 14496-12, 4.2) and Matroska (RFC 8794), to find what is missing at the end
or follows it.
"""

from __future__ import annotations

from typing import BinaryIO

from realtime.files.part import Layout, Part

_SEGMENT = 0x18538067  # Matroska's element that holds the sound
_FILLERS = (0xEC, 0xBF, 0x1A45DFA3)  # Void, CRC-32, the header
MOST = 100_000  # elements


def find_mp4_layout(file: BinaryIO, start: int, size: int) -> Layout:
    """Return the layout of an MP4, walked box by box."""
    position = start
    for _ in range(MOST):
        if position >= size:
            break
        file.seek(position)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:], "big")
        elif length == 0 and len(head) >= 8:
            length = size - position  # up to the end
        if length < 8 or not all(32 <= letter < 127 or letter == 0xA9 for letter in head[4:8]):
            break
        position += length
    return Layout((Part("mov", start, size),), _damage(position, size))


def find_matroska_layout(file: BinaryIO, start: int, size: int) -> Layout:
    """Return the layout of a Matroska or WebM file, walked element by element."""
    position = start
    for _ in range(MOST):
        if position >= size:
            break
        file.seek(position)
        name, length, header = _read_element(file.read(12))
        if name not in (_SEGMENT, *_FILLERS):
            break
        if length is None:  # unknown: up to the end, as in a live stream
            position = size
            break
        position += header + length
    return Layout((Part("matroska", start, size),), _damage(position, size))


def _damage(position: int, size: int) -> tuple[str, ...]:
    if position > size:
        return (f"truncated, {position - size} bytes are missing",)
    if position < size:
        return (f"{size - position} bytes at the end are of nothing that is known, and not played",)
    return ()


def _read_element(data: bytes) -> tuple[int, int | None, int]:
    """Return name, length of the content (None if unknown) and size of the header; name 0 for no element."""
    if not data or not data[0]:
        return 0, 0, 0
    name_size = 9 - data[0].bit_length()
    if name_size > 4 or len(data) <= name_size or not data[name_size]:
        return 0, 0, 0
    length_size = 9 - data[name_size].bit_length()
    field = data[name_size : name_size + length_size]
    length = int.from_bytes(field, "big") & ((1 << 7 * length_size) - 1)
    unknown = length == (1 << 7 * length_size) - 1
    return int.from_bytes(data[:name_size], "big"), None if unknown else length, name_size + length_size
