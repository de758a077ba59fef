"""Rendering: a file through a codec to another file, the same length, latency removed, in constant memory.

It is the lane that plays live, fed from a file instead of a timeline. What wants all of a file at once (Vorbis,
parallel decoding) is in render_whole.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from models.codec import Audio, Codec, CodecError, Controls, Encoder, Frame
from models.load import load, load_transcoder
from realtime.audiofile import Reader, Writer, check, check_target
from realtime.job import BLOCK, Job
from realtime.lane import Lane
from realtime.rack.effect import PATIENCE_S
from realtime.rack.opening import inserted, open_rack
from realtime.rack.patch_source import PatchSource, is_patch
from realtime.rack.rows import parse_control, rows
from realtime.render_whole import render_whole
from realtime.signals import not_lost
from realtime.tape import TapeHeader, TapeWriter, codec_hash
from realtime.wholefile import WholeFile, check_apart, check_writable


def render(job: Job, progress: Callable[[float], None] = lambda done: None) -> dict[str, Any]:
    """Write the target (float32 WAV at the source's rate); what was done.

    CodecError, AudioFileError or FileError if it cannot be, and then nothing is left of it.
    """
    check_apart(job.source, job.target, *([job.tape] if job.tape else []))
    check_target(job.target)
    if job.tape:
        check_writable(job.tape)
    if load_transcoder(job.codec) or job.mode == "parallel":
        if job.racks.pre or job.racks.post[0] or is_patch(job.source):
            raise CodecError(
                f"{job.codec}, {job.mode}: a whole file at once, where no effects or patches can be. "
                "Leave out --pre, --post and pyo:, or take a codec that plays live."
            )
        return render_whole(job, progress)
    loaded = load(job.codec, precision=job.precision)
    with ExitStack() as at_end:
        reader = _open(job)
        at_end.callback(reader.close)
        lane = _lane(job, loaded, reader.rate, at_end)
        if job.tape:
            lane.encoder = at_end.enter_context(_Taping(lane, job.tape, job.controls))
        total = reader.length or round((job.seconds or 0.0) * reader.rate)
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
        "remarks": [trouble.message for trouble in lane.troubles + lane.outlets[0].troubles] + list(reader.remarks()),
    }


def _open(job: Job) -> Reader | PatchSource:
    """Where it comes from; a file is heard to its end first."""
    if is_patch(job.source):
        return PatchSource(str(job.source), patience_s=PATIENCE_S)
    check(job.source)
    return Reader(job.source)


def _lane(job: Job, codec: Codec, rate: int, at_end: ExitStack) -> Lane:
    """With its effects, set as the job says."""
    channels = 2
    pre, post = (
        at_end.enter_context(closing(open_rack(specs, rate, channels, job.racks.patience_s)))
        for specs in (job.racks.pre, job.racks.post[0])
    )
    lane = Lane(codec, [(0, job.path or codec.spec.paths[0])], rate, channels, pre=pre, post={0: post})
    lane.outlets[0].controls = job.controls
    table, racks = rows(inserted(lane.racks)), dict(lane.racks)
    for name, value in job.values.items():
        parsed = parse_control(table, name, value)
        place, number, control = name.rsplit(".", 2)
        racks[place].set(f"{number}.{control}", parsed)
    return lane


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
