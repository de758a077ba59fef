"""Rendering: a file through a codec to another file, the same length, latency removed, in constant memory.

It is the lane that plays live, fed from a file instead of a timeline. What wants all of a file at once (Vorbis,
parallel decoding) is in render_whole.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from models.codec import Audio, CodecError, Controls, Encoder, Frame
from models.load import load, load_transcoder
from realtime.audiofile import AudioFileError, Reader, Writer, check
from realtime.job import BLOCK, Job
from realtime.lane import Lane
from realtime.render_whole import render_whole
from realtime.signals import not_lost
from realtime.tape import TapeHeader, TapeWriter, codec_hash
from realtime.wholefile import WholeFile, same_file

OTHER_FORMATS = (".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff")


def render(job: Job, progress: Callable[[float], None] = lambda done: None) -> dict[str, Any]:
    """Write the target (float32 WAV at the source's rate); what was done.

    CodecError, AudioFileError or FileError if it cannot be, and then nothing is left of it.
    """
    if same_file(job.source, job.target):
        raise AudioFileError(f"{job.target}: the input itself. Pass another file for the output.")
    if job.target.suffix.lower() in OTHER_FORMATS:
        raise AudioFileError(f"{job.target}: a WAV is what is written. Pass a name that ends in .wav.")
    if load_transcoder(job.codec) or job.mode == "parallel":
        return render_whole(job, progress)
    loaded = load(job.codec, precision=job.precision)
    check(job.source)
    with ExitStack() as at_end:
        reader = Reader(job.source)
        at_end.callback(reader.close)
        lane = Lane(loaded, [(0, job.path or loaded.spec.paths[0])], reader.rate)
        lane.outlets[0].controls = job.controls
        if job.tape:
            lane.encoder = at_end.enter_context(_Taping(lane, job.tape, job.controls))
        total = reader.length or 0
        writer = at_end.enter_context(Writer(job.target, reader.rate, whole=True))
        for done, audio in render_blocks(lane, reader.blocks(BLOCK), total):
            writer.write(audio)
            progress(done / total)
    seconds = lane.frames / loaded.spec.frame_rate
    return {
        "codec": loaded.spec.name,
        "path": lane.outlets[0].path,
        "seconds": total / reader.rate,
        "bitrate": lane.outlets[0].bits / seconds / 1000,
        "real_time_factor": lane.codec_seconds / seconds,
    }


def render_blocks(lane: Lane, blocks: Iterator[Audio], total: int) -> Iterator[tuple[int, Audio]]:
    """Feed blocks of `total` samples, then silence until as many have come out: (samples out so far, audio)."""
    done = 0

    def fed() -> Iterator[Audio]:
        yield from blocks
        while True:
            yield np.zeros((lane.channels, BLOCK), np.float32)

    for block in fed():
        not_lost()
        for _, audio in lane.process(block):
            audio = audio[:, : total - done]
            done += audio.shape[1]
            if audio.shape[1]:
                yield done, audio
        if done >= total:
            return


class _Taping:
    """A lane's encoder that writes each frame to a tape as well: tokens, or latents where that is the path."""

    def __init__(self, lane: Lane, tape: Path, controls: Controls) -> None:
        kind = "latents" if lane.outlets[0].path == "continuous" else "tokens"
        header = TapeHeader.of(
            lane.codec.spec, kind, 0, controls.seed, controls.steps, controls.context_noise, codec_hash(lane.codec)
        )
        self._encoder: Encoder = lane.encoder
        self._file = WholeFile(tape)
        self._writer = TapeWriter(self._file.working, header)

    def encode(self, chunk: Audio) -> Frame:
        frame = self._encoder.encode(chunk)
        try:
            self._writer.write(frame)
        except OSError as error:
            raise CodecError(f"{self._file.path}: the disk is full or gone. Free some space and try again.") from error
        return frame

    def reset(self) -> None:
        self._encoder.reset()

    def __enter__(self) -> _Taping:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._writer.close()
        if kind:
            self._file.discard()
        else:
            self._file.commit()
