"""Parts of an audio file, as its container is laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """Stream in bytes [start, end) of a file, for one of FFmpeg's demuxers.

    Offsets of patches count from the first byte of `head`.
    """

    demuxer: str
    start: int
    end: int
    patches: Mapping[int, bytes] = field(default_factory=dict)  # corrected bytes, by offset in the part
    declared: int = 0  # samples that the header promises; 0: none
    length: int = 0  # samples by the container's clock; decoding may give up to a block more; 0: unknown
    sound_bytes: int = 0  # of samples, as the header promises; 0: unknown
    missing: int = 0  # of them, beyond the end of the file
    head: bytes = b""  # read before `start`, in place of a header that the demuxer cannot follow
    tail: bytes = b""  # read after `end`
    without_metadata: Mapping[int, bytes] = field(default_factory=dict)  # patches that rename chunks of metadata


@dataclass(frozen=True)
class Layout:
    """Parts that play one after the other, and what is wrong with the container, as clauses."""

    parts: tuple[Part, ...]
    damage: tuple[str, ...] = ()
