"""Layout of an audio file: its container, found by content, the parts that play one after the other,
and damage to the container.

Sizes in headers are compared with the bytes that are there. The name of the file is not used.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import BinaryIO

from realtime.files import boxes, chunks, mpeg, ogg
from realtime.files.part import Layout, Part

ID3V1 = 128  # bytes at the end of a file
SNIFF = 512  # bytes of a file's beginning that name its container
TS_PACKET = 188  # bytes of a packet of an MPEG transport stream

# Magic bytes, their offset, and the name of FFmpeg's demuxer
MAGIC = (
    (b"fLaC", 0, "flac"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", 0, "asf"),
    (b"wvpk", 0, "wv"),
    (b"MAC ", 0, "ape"),
    (b"TTA1", 0, "tta"),
    (b"#!AMR", 0, "amr"),
    (b"Creative Voice File", 0, "voc"),
    (b"\x0bw", 0, "ac3"),
    (b"AVI ", 8, "avi"),
    (b"FLV\x01", 0, "flv"),
    (b"NIST_1A", 0, "nistsphere"),
    (b"2BIT", 0, "avr"),
    (b"PVF1", 0, "pvf"),
    (b" paf", 0, "epaf"),
    (b"fap ", 0, "epaf"),
    (b".SoX", 0, "sox"),
    (b"XoS.", 0, "sox"),
    (b"DSD ", 0, "dsf"),
    *((bytes([0x64, 0xA3, machine, 0]), 0, "ircam") for machine in range(1, 5)),
    *((bytes([0, machine, 0xA3, 0x64]), 0, "ircam") for machine in range(1, 5)),
)
FLAC_STREAM = b"fLaC\x00\x00\x00\x22"  # marker and the head of STREAMINFO (RFC 9639, 8.1)


def find_layout(file: BinaryIO) -> Layout | None:
    """Return the layout of an open file, or None if it is not audio. OSError if it cannot be read."""
    size = file.seek(0, os.SEEK_END)
    start = mpeg.skip_tags(file, 0, size)
    file.seek(start)
    head = file.read(SNIFF)
    if chunked := chunks.find_layout(file, start, size, head):
        return chunked
    if head.startswith(b"OggS"):
        return ogg.find_layout(file, start, size)
    if head[4:8] == b"ftyp":
        return boxes.find_mp4_layout(file, start, size)
    if head.startswith(b"\x1aE\xdf\xa3"):
        return boxes.find_matroska_layout(file, start, size)
    if head.startswith(b"fLaC"):
        return Layout(tuple(_flac_parts(file, start, size)))
    if head[:1] == head[TS_PACKET : TS_PACKET + 1] == head[2 * TS_PACKET : 2 * TS_PACKET + 1] == b"G":
        return Layout((Part("mpegts", start, size),))
    for magic, offset, demuxer in MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return Layout((Part(demuxer, start, size),))
    layout = mpeg.find_layout(file, start, size)
    return _with_tags(layout, start, size) if layout else None


def _with_tags(layout: Layout, start: int, size: int) -> Layout:
    """Return the layout with the tags before and after the frames, which the demuxer reads."""
    first, last = layout.parts[0], layout.parts[-1]
    if first.start == start:
        layout = replace(layout, parts=(replace(first, start=0), *layout.parts[1:]))
    if len(layout.parts) == 1 and size - last.end == ID3V1:
        layout = replace(layout, parts=(replace(layout.parts[0], end=size),))
    return layout


def _flac_parts(file: BinaryIO, start: int, size: int) -> list[Part]:
    """Return a part for each FLAC stream that begins in the file."""
    starts, position, kept = [start], start + 1, 1 << 20
    while position < size:
        file.seek(position)
        data = file.read(kept + len(FLAC_STREAM))
        at = data.find(FLAC_STREAM)
        if at >= 0:
            starts.append(position + at)
        position += at + 1 if at >= 0 else kept
    ends = [*starts[1:], size]
    return [_flac_part(file, begin, end) for begin, end in zip(starts, ends, strict=True)]


def _flac_part(file: BinaryIO, start: int, end: int) -> Part:
    file.seek(start + 21)
    total = int.from_bytes(file.read(5), "big") & (1 << 36) - 1  # samples, 0 if unknown
    return Part("flac", start, end, declared=total)
