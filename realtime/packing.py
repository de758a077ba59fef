"""Packed tapes: a tape of tokens under an entropy coder. Unpacked it is the same tape, byte by byte, on any machine.

    magic     8  "VDGPACK\\n"                       frames  4
    digest   32  SHA-256 of the tape               runs    4      stretches of frames whose indices follow each other
    header  100  the tape's own                    coded   4      bytes
    forecast 32  its digest, or zeros: without one
    then for each run its first index, 4, and its frames, 4; then the coded tokens (models/entropy.py). Little-endian.

Unlike a tape it is written as a whole. What a damaged tape has after its last whole frame is not packed.
"""

from __future__ import annotations

import hashlib
import math
import struct
from pathlib import Path

import numpy as np

from models.codec import CodecError, Frame
from models.load import code_tokens, decode_tokens, forecast_of
from realtime.tape import HEADER_BYTES, TapeHeader, TapeReader, TapeWriter
from realtime.wholefile import WholeFile, check_apart, check_writable

MAGIC = b"VDGPACK\n"
_HEAD = struct.Struct(f"<8s32s{HEADER_BYTES}s32sIII")
NONE = bytes(32)
_RUN = struct.Struct("<II")


def pack(tape: Path, target: Path) -> tuple[int, int]:
    """Write a packed tape; (bytes of the tape's tokens at their nominal size, bytes of them coded).

    CodecError if there is nothing to pack, FileError if `target` cannot be written or is the tape.
    """
    check_apart(tape, target)
    check_writable(target)
    data = _bytes(tape)
    reader = TapeReader(tape)
    header = reader.header
    if header.kind != "tokens":
        raise CodecError(f'tape "{tape.name}" holds {header.kind}; only tokens can be packed. Record a discrete path.')
    frames = list(reader)
    runs: list[list[int]] = []
    for frame in frames:
        if runs and frame.index == sum(runs[-1]):
            runs[-1][1] += 1
        else:
            runs.append([frame.index, 1])
    tokens = np.array([frame.tokens for frame in frames], np.int32).reshape(len(frames), header.tokens)
    forecast = forecast_of(header.sample_rate, header.hop, header.tokens, header.cardinality)
    coded = code_tokens(tokens, header.cardinality, forecast)
    data = data[: HEADER_BYTES + len(frames) * header.record_bytes]
    told = forecast.digest if forecast else NONE
    digest = hashlib.sha256(data).digest()
    head = _HEAD.pack(MAGIC, digest, data[:HEADER_BYTES], told, len(frames), len(runs), len(coded))
    file = WholeFile(target)
    file.working.write_bytes(head + b"".join(_RUN.pack(*run) for run in runs) + coded)
    file.commit()
    return math.ceil(tokens.size * math.log2(header.cardinality) / 8), len(coded)


def unpack(packed: Path, target: Path) -> int:
    """Write the tape again; its frames. CodecError, and no tape, if what comes out is not what was packed.

    FileError if `target` cannot be written or is the packed tape.
    """
    check_apart(packed, target)
    check_writable(target)
    data = _bytes(packed)
    if len(data) < _HEAD.size or not data.startswith(MAGIC):
        raise CodecError(f'"{packed.name}" is no packed tape. Pass a file that verdigris pack wrote.')
    digest: bytes
    head: bytes
    told: bytes
    count: int
    _, digest, head, told, count, runs, coded = _HEAD.unpack_from(data)
    at = _HEAD.size + runs * _RUN.size
    damaged = CodecError(f'packed tape "{packed.name}" is truncated or damaged. Pack the tape again.')
    if len(data) != at + coded:
        raise damaged
    header = TapeHeader.unpack(head, packed.name)
    indices = [
        first + place
        for first, length in _RUN.iter_unpack(data[_HEAD.size : at])
        for place in range(min(length, count))
    ]
    if len(indices) != count:
        raise damaged
    forecast = forecast_of(header.sample_rate, header.hop, header.tokens, header.cardinality) if told != NONE else None
    if told != (forecast.digest if forecast else NONE):
        raise CodecError(
            f'packed tape "{packed.name}" was packed with another forecast than is here, or is damaged. '
            "Unpack it with the version of verdigris that packed it."
        )
    try:
        tokens = decode_tokens(data[at:], count, header.tokens, header.cardinality, forecast)
    except (ValueError, AssertionError) as error:  # the range coder asserts that it was fed what it wrote
        raise damaged from error
    file = WholeFile(target)
    with TapeWriter(file.working, header) as writer:
        for index, row in zip(indices, tokens, strict=True):
            writer.write(Frame(index, row, None, 0.0))
    if hashlib.sha256(file.working.read_bytes()).digest() != digest:
        file.discard()
        raise damaged
    file.commit()
    return count


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CodecError(f"{path}: no tape that can be read ({error.strerror}). Pass a recorded one.") from error
