"""A file or tape that goes on by itself: its frames, then frames of the language model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.codec import Codec, CodecError, DecoderControls, Frame
from models.load import codec_of_tape, load, open_continuation
from realtime.files.audio_writer import AudioWriter, check_target
from realtime.files.tape import MAGIC, TapeHeader, TapeWriter, codec_hash
from realtime.files.tape_reader import TapeReader
from realtime.offline.encode_file import encode_file
from realtime.system.atomic_file import AtomicFile, check_distinct, check_writable
from realtime.system.signals import reraise_interrupt

TAPE = ".tape"  # ending of a target that is a tape
LEAST_S = 1.0  # of the source


def continue_file(
    source: Path, target: Path, codec: str, seconds: float, settings: dict[str, object]
) -> dict[str, Any]:
    """Write a file or tape and what follows it; return facts.

    `settings` are those of `a.continue`, by the last part of the name. A tape names its codec.
    CodecError if the codec has no language model or too little was given; AudioFileError or
    FileError if a file cannot be read or written.
    """
    check_distinct(source, target)
    (check_writable if target.suffix == TAPE else check_target)(target)
    loaded, heard = _heard(source, codec)
    spec = loaded.spec
    if len(heard) < LEAST_S * spec.frame_rate:
        raise CodecError(f"{source}: {len(heard) / spec.frame_rate:.2f} s are too little to go on from. Pass a second.")
    late = 0 if target.suffix == TAPE else math.ceil(spec.lookahead / spec.hop)
    frames = _continued(loaded, heard, round(seconds * spec.frame_rate) + late, settings)
    remarks: list[str] = []
    if target.suffix == TAPE:
        _write_tape(loaded, frames, target)
    else:
        remarks += _write_sound(loaded, frames, target)
    heard_s = len(heard) / spec.frame_rate
    return {"codec": spec.name, "heard": heard_s, "seconds": heard_s + seconds, "remarks": remarks}


def _heard(source: Path, codec: str) -> tuple[Codec, list[Frame]]:
    """Return the codec and the frames of a tape or of a file of sound."""
    if not _is_tape(source):
        loaded = load(codec)
        encoded = encode_file(loaded, source, "tokens")
        whole = encoded.samples // loaded.spec.hop  # frames that hold no silence after the end
        return loaded, [_frame(loaded, number, row) for number, row in enumerate(encoded.frames[:whole])]
    reader = TapeReader(source)
    name = codec_of_tape(reader.header.config_hash) or codec
    loaded = load(name)
    reader.check(codec_hash(loaded), name, loaded.spec)
    return loaded, [_frame(loaded, number, frame.tokens) for number, frame in enumerate(reader)]


def _is_tape(source: Path) -> bool:
    """Return True if a file begins as a tape does; what cannot be read is left to its reader."""
    try:
        with source.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def _frame(codec: Codec, number: int, tokens: np.ndarray) -> Frame:
    bits = codec.spec.tokens * math.log2(codec.spec.cardinality)
    return Frame(number, tokens.astype(np.int32), None, bits)


def _continued(codec: Codec, heard: list[Frame], count: int, settings: dict[str, object]) -> Iterator[Frame]:
    """Yield the heard frames, then `count` more."""
    continuation = open_continuation(codec)
    if continuation is None:
        raise CodecError(f"{codec.spec.name} has no language model. Pass --codec swift, or swift:24.")
    for name, value in settings.items():
        continuation.set(name, value)
    for number in range(len(heard) + count):
        reraise_interrupt()
        if number == len(heard):
            continuation.set("on", 1.0)
        given = heard[number] if number < len(heard) else _frame(codec, number, heard[-1].tokens)
        frame = continuation.frame(given)
        continuation.played(frame.tokens)
        yield frame


def _write_tape(codec: Codec, frames: Iterator[Frame], target: Path) -> None:
    file = AtomicFile(target)
    try:
        with TapeWriter(file.working, TapeHeader.of(codec.spec, "tokens", 0, config_hash=codec_hash(codec))) as writer:
            for frame in frames:
                writer.write(frame)
    except BaseException:
        file.discard()
        raise
    file.commit()


def _write_sound(codec: Codec, frames: Iterator[Frame], target: Path) -> list[str]:
    """Write what the frames decode to, without the look-ahead at its start; return remarks."""
    decoder, late = codec.open_decoder("discrete"), codec.spec.lookahead
    with AudioWriter(target, codec.spec.sample_rate, whole=True, channels=codec.spec.channels) as writer:
        for frame in frames:
            audio = decoder.decode(frame, DecoderControls())
            writer.write(np.ascontiguousarray(audio[:, late:]))
            late = max(0, late - audio.shape[1])
    return list(writer.remarks())
