"""Decoding of a tape: recorded frames through their codec's decoder to a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.codec import Audio, CodecError, DecoderControls
from models.load import codec_of_tape, load
from realtime.files.audio_writer import AudioWriter, check_target
from realtime.files.tape import codec_hash
from realtime.files.tape_reader import TapeReader
from realtime.system.atomic_file import check_distinct
from realtime.system.signals import reraise_interrupt
from realtime.worker.slot_chain import SlotChain

SILENCE = 1 << 16  # samples written at once


def play_tape(tape: Path, target: Path, codec: str | None = None, precision: str = "float32") -> dict[str, Any]:
    """Decode a tape to a sound file, with its recorded seed, steps and context noise; return
    facts.

    The codec is the one that the tape names, unless one is given. Lost frames are silence, after
    which the decoder is reset. Raises CodecError if it is not a tape, or its codec is unknown or
    not the given one, and FileError if `target` is the tape or cannot be written; both before
    anything is decoded.
    """
    check_distinct(tape, target)
    check_target(target)
    try:
        reader = TapeReader(tape)
    except OSError as error:
        raise CodecError(f"{tape}: the tape cannot be read ({error.strerror}). Pass a recorded one.") from error
    header = reader.header
    codec = codec or codec_of_tape(header.config_hash)
    if codec is None:
        raise CodecError(
            f'tape "{tape.name}" was recorded with a codec that is unknown here ({header.tokens} tokens of '
            f"{header.cardinality} values, hop {header.hop}). Pass --codec and the checkpoint it was recorded with."
        )
    loaded = load(codec, precision=precision)
    reader.check(codec_hash(loaded), codec, loaded.spec)
    path = "discrete" if header.kind == "tokens" else "continuous"
    chain = SlotChain(0, path, loaded, header.sample_rate, header.channels)
    chain.controls = DecoderControls(header.steps, header.context_noise, header.seed)
    samples = 0
    with AudioWriter(target, header.sample_rate, whole=True, channels=header.channels) as writer:
        for audio in _decoded(reader, chain):
            writer.write(audio)
            samples += audio.shape[1]
    return {
        "codec": loaded.spec.name,
        "path": path,
        "seconds": samples / header.sample_rate,
        "lost_bytes": reader.lost_bytes,
        "remarks": [f"{tape}: {damage}; silence is in its place" for damage in reader.damage] + list(writer.remarks()),
    }


def _decoded(reader: TapeReader, chain: SlotChain) -> Iterator[Audio]:
    """Yield the audio; samples of frame i begin at i * hop."""
    header, due, given = reader.header, 0, 0
    for frame in reader:
        reraise_interrupt()
        if frame.index < due:
            continue
        if frame.index > due:
            chain.reset()
            yield from _silence(header.channels, frame.index * header.hop - given)
            given = frame.index * header.hop
        due = frame.index + 1
        audio = chain.postprocess(chain.decoder.decode(frame, chain.controls))
        given += audio.shape[1]
        yield audio
    due += reader.lost_at_end
    while given < due * header.hop:  # flush the limiter
        audio = chain.postprocess(np.zeros((header.channels, header.hop), np.float32))[:, : due * header.hop - given]
        given += audio.shape[1]
        yield audio


def _silence(channels: int, count: int) -> Iterator[Audio]:
    """Yield `count` samples of silence in blocks."""
    while count > 0:
        block = np.zeros((channels, min(count, SILENCE)), np.float32)
        count -= block.shape[1]
        yield block
