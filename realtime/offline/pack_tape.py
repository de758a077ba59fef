"""Packed tapes: tokens of a tape under an entropy coder. Unpacking restores the tape byte by byte.

    magic     8  "VDGPACK\\n"                       frames  4
    digest   32  SHA-256 of the tape               runs    4      sequences of frames with consecutive indices
    header  100  the tape's own                    coded   4      bytes
    model    32  digest of the model's initial statistics, or zeros without any
    then for each run its first index, 4, and its number of frames, 4; then the coded tokens. Little-endian.

Unlike a tape it is written at once. A damaged tape is not packed, unless what is damaged may be left
out.
"""

from __future__ import annotations

import hashlib
import math
import struct
from pathlib import Path

import numpy as np

from models.codec import CodecError
from models.load import code_tokens, decode_tokens, open_tape_model
from realtime.files.tape import HEADER_BYTES, TapeHeader, pack_record, pack_tokens
from realtime.files.tape_reader import TapeDamage, TapeReader
from realtime.system.atomic_file import AtomicFile, FileError, check_distinct, check_writable

MAGIC = b"VDGPACK\n"
_HEAD = struct.Struct(f"<8s32s{HEADER_BYTES}s32sIII")
MOST_TOKENS = 1 << 28  # of a tape; days of sound
_RUN = struct.Struct("<II")


def pack(tape: Path, target: Path, *, drop_damaged: bool = False) -> tuple[int, int, list[TapeDamage]]:
    """Write a packed tape; return the bytes of its tokens at their nominal size and coded, and what was
    left out.

    CodecError if there is nothing to pack, or something would be left out without `drop_damaged`.
    FileError if `target` cannot be written or is the tape.
    """
    check_distinct(tape, target)
    check_writable(target)
    data = _bytes(tape)
    reader = TapeReader(tape)
    header = reader.header
    if header.kind != "tokens":
        raise CodecError(f'tape "{tape.name}" holds {header.kind}; only tokens can be packed. Record a discrete path.')
    frames = list(reader)
    if reader.damage and not drop_damaged:
        raise CodecError(
            f'tape "{tape.name}" is damaged, and cannot be packed without loss: '
            f"{'; '.join(map(str, reader.damage[:3]))}{' ...' if len(reader.damage) > 3 else ''}. "
            "Pass --drop-damaged to leave that out."
        )
    runs: list[list[int]] = []
    for frame in frames:
        if runs and frame.index == sum(runs[-1]):
            runs[-1][1] += 1
        else:
            runs.append([frame.index, 1])
    tokens = np.array([frame.tokens for frame in frames], np.int32).reshape(len(frames), header.tokens)
    records = (pack_record(frame.index, pack_tokens(frame.tokens, header.cardinality)) for frame in frames)
    kept = data[:HEADER_BYTES] + b"".join(records)
    if not reader.damage and kept != data:
        raise CodecError(f'tape "{tape.name}" has changed while it was read. Try again.')
    model = open_tape_model(header.config_hash, header.tokens, header.cardinality)
    coded = code_tokens(tokens, model)
    digest = hashlib.sha256(kept).digest()
    head = _HEAD.pack(MAGIC, digest, kept[:HEADER_BYTES], model.digest, len(frames), len(runs), len(coded))
    _write(target, head + b"".join(_RUN.pack(*run) for run in runs) + coded)
    return math.ceil(tokens.size * math.log2(header.cardinality) / 8), len(coded), reader.damage


def unpack(packed: Path, target: Path) -> int:
    """Restore the tape and return its number of frames.

    CodecError, and no tape, if the result is not the tape that was packed. FileError if `target`
    cannot be written or is the packed tape.
    """
    check_distinct(packed, target)
    check_writable(target)
    data = _bytes(packed)
    if len(data) < _HEAD.size or not data.startswith(MAGIC):
        raise CodecError(f'"{packed.name}" is not a packed tape. Pass a file that verdigris pack wrote.')
    digest: bytes
    head: bytes
    model_digest: bytes
    count: int
    _, digest, head, model_digest, count, runs, coded = _HEAD.unpack_from(data)
    at = _HEAD.size + runs * _RUN.size
    damaged = CodecError(f'packed tape "{packed.name}" is truncated or damaged. Pack the tape again.')
    if len(data) != at + coded:
        raise damaged
    header = TapeHeader.unpack(head, packed.name)
    stretches = list(_RUN.iter_unpack(data[_HEAD.size : at]))
    if header.kind != "tokens" or sum(length for _, length in stretches) != count:
        raise damaged
    if count * header.tokens > MOST_TOKENS:
        raise CodecError(f'packed tape "{packed.name}" claims {count} frames, more than can be unpacked at once.')
    indices = [first + place for first, length in stretches for place in range(length)]
    model = open_tape_model(header.config_hash, header.tokens, header.cardinality)
    if model_digest != model.digest:
        raise CodecError(
            f'packed tape "{packed.name}" was packed by a version of verdigris with other weights, or is damaged. '
            "Unpack it with the version of verdigris that packed it."
        )
    try:
        tokens = decode_tokens(data[at:], count, model)
    except (ValueError, AssertionError, IndexError, OverflowError) as error:  # the range coder asserts its input
        raise damaged from error
    rows = zip(indices, tokens, strict=True)
    tape = head + b"".join(pack_record(index, pack_tokens(row, header.cardinality)) for index, row in rows)
    if hashlib.sha256(tape).digest() != digest:
        raise damaged
    _write(target, tape)
    return count


def _write(target: Path, data: bytes) -> None:
    """Write a file at once. FileError, and nothing left, if the disk is full."""
    file = AtomicFile(target)
    try:
        file.working.write_bytes(data)
    except OSError as error:
        file.discard()
        raise FileError(f"{target}: the disk is full or gone. Free some space and try again.") from error
    file.commit()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CodecError(f"{path}: the tape cannot be read ({error.strerror}). Pass a recorded one.") from error
