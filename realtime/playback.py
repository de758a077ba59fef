"""Playing a tape: recorded frames through their codec's decoder to a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.codec import Audio, CodecError, Controls
from models.load import load, recorded_with
from realtime.audiofile import Writer, check_target
from realtime.lane import Outlet
from realtime.signals import not_lost
from realtime.tape import TapeReader, codec_hash
from realtime.wholefile import check_apart


def play_tape(tape: Path, target: Path, codec: str | None = None, precision: str = "float32") -> dict[str, Any]:
    """Decode a tape with the seed, steps and context noise it was recorded with to a float32 WAV; what was done.

    By the codec that the tape names, unless one is given. CodecError if it is no tape, or of a codec that is not known
    or not the one given; FileError if `target` is the tape or cannot be written, before anything is decoded. Frames
    that were lost are silence, and the decoder begins anew.
    """
    check_apart(tape, target)
    check_target(target)
    try:
        reader = TapeReader(tape)
    except OSError as error:
        raise CodecError(f"{tape}: no tape that can be read ({error.strerror}). Pass a recorded one.") from error
    header = reader.header
    codec = codec or recorded_with(header.config_hash)
    if codec is None:
        raise CodecError(
            f'tape "{tape.name}" was recorded with a codec that has no name here ({header.tokens} tokens of '
            f"{header.cardinality} values, hop {header.hop}). Pass --codec and the checkpoint it was recorded with."
        )
    loaded = load(codec, precision=precision)
    reader.check(codec_hash(loaded), codec)
    path = "discrete" if header.kind == "tokens" else "continuous"
    outlet = Outlet(0, path, loaded, header.sample_rate, header.channels)
    outlet.controls = Controls(header.steps, header.context_noise, header.seed)
    samples = 0
    with Writer(target, header.sample_rate, whole=True) as writer:
        for audio in _decoded(reader, outlet):
            writer.write(audio)
            samples += audio.shape[1]
    return {
        "codec": loaded.spec.name,
        "path": path,
        "seconds": samples / header.sample_rate,
        "lost_bytes": reader.lost_bytes,
    }


def _decoded(reader: TapeReader, outlet: Outlet) -> Iterator[Audio]:
    """Every sample at its place: that of frame i begin at i * hop."""
    header, due, given = reader.header, 0, 0
    for frame in reader:
        not_lost()
        if frame.index < due:
            continue
        if frame.index > due:
            outlet.reset()
            yield np.zeros((header.channels, frame.index * header.hop - given), np.float32)
            given = frame.index * header.hop
        due = frame.index + 1
        audio = outlet.finish(outlet.decoder.decode(frame, outlet.controls))
        given += audio.shape[1]
        yield audio
    while given < due * header.hop:  # what the limiter still holds; then silence, for want of a further frame
        audio = outlet.finish(np.zeros((header.channels, header.hop), np.float32))[:, : due * header.hop - given]
        given += audio.shape[1]
        yield audio
