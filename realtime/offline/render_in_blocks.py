"""Rendering: a file through a codec to a file of the same length, without latency, in constant
memory.

It uses the lane that plays live, fed from a file instead of a timeline. Codecs that need the whole
file at once (Vorbis, parallel decoding) are in render_whole_file.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from models.codec import Audio, Codec, CodecError, DecoderControls, Encoder, Frame
from models.load import load, load_transcoder
from realtime.effects.effect import OFFLINE_TIMEOUT_S
from realtime.effects.factory import effect_infos, open_rack
from realtime.effects.pyo_source import PatchSource, is_patch
from realtime.files.audio_file import AudioReader, check
from realtime.files.audio_writer import check_target
from realtime.files.tape import TapeHeader, TapeWriter, codec_hash
from realtime.offline.job import BLOCK, Job
from realtime.offline.render_whole_file import open_target, render_whole
from realtime.parameters.effect_rows import parse_control, rows
from realtime.system.atomic_file import AtomicFile, check_distinct, check_writable
from realtime.system.signals import reraise_interrupt
from realtime.worker.codec_lane import CodecLane


def load_at(name: str, precision: str) -> Codec:
    """Return a codec by name and precision."""
    return load(name, precision=precision)


def render(
    job: Job,
    progress: Callable[[float], None] = lambda done: None,
    load_codec: Callable[[str, str], Codec] = load_at,
) -> dict[str, Any]:
    """Write the target, a float32 WAV at the source's rate, and return facts.

    `progress` gets the finished part, 0 ... 1. `load_codec` may return a codec that is loaded
    already. Raises CodecError, AudioFileError or FileError, and then leaves no target.
    """
    check_distinct(job.source, job.target, *([job.tape] if job.tape else []))
    check_target(job.target)
    if job.tape:
        check_writable(job.tape)
    if load_transcoder(job.codec) or job.mode == "parallel":
        if job.racks.pre or job.racks.post[0] or is_patch(job.source):
            raise CodecError(
                f"{job.codec}, {job.mode}: effects and patches are not available, because the file is "
                "coded as a whole. Leave out --pre, --post and pyo:, or pass a codec that plays live."
            )
        return render_whole(job, progress)
    with ExitStack() as at_end:
        reader = _open(job)  # before the codec, whose libraries take seconds to import: a missing file takes none
        at_end.callback(reader.close)
        loaded = load_codec(job.codec, job.precision)
        survey = None if isinstance(reader, PatchSource) else check(job.source, decode=True)
        lane = _lane(job, loaded, reader.rate, at_end)
        if job.tape:
            lane.encoder = at_end.enter_context(_RecordingEncoder(lane, job.tape, job.controls))
        total = survey.length_at(reader.rate) if survey else round((job.seconds or 0.0) * reader.rate)
        writer = at_end.enter_context(open_target(job, reader, mono_codec=loaded.spec.channels == 1))
        for done, audio in render_blocks(lane, reader.blocks(BLOCK), total):
            writer.write(audio)
            progress(done / total)
    seconds = lane.frames / loaded.spec.frame_rate
    return {
        "codec": loaded.spec.name,
        "path": lane.chains[0].path,
        "seconds": total / reader.rate,
        "bitrate": lane.chains[0].bits / seconds / 1000,
        "real_time_factor": lane.codec_seconds / seconds,
        "remarks": [warning.message for warning in lane.warnings + lane.chains[0].warnings]
        + list(survey.remarks if survey else reader.remarks())
        + list(writer.remarks()),
    }


def _open(job: Job) -> AudioReader | PatchSource:
    """Open the source; a file is checked to its end first."""
    if is_patch(job.source):
        return PatchSource(str(job.source), timeout_s=OFFLINE_TIMEOUT_S)
    return AudioReader(job.source)


def _lane(job: Job, codec: Codec, rate: int, at_end: ExitStack) -> CodecLane:
    """Open the lane with the job's effects and settings."""
    channels = 2
    pre, post = (
        at_end.enter_context(closing(open_rack(specs, rate, channels, job.racks.timeout_s)))
        for specs in (job.racks.pre, job.racks.post[0])
    )
    lane = CodecLane(codec, [(0, job.path or codec.spec.paths[0])], rate, channels, pre=pre, post={0: post})
    lane.chains[0].controls = job.controls
    table, racks = rows(effect_infos(lane.racks)), dict(lane.racks)
    for name, value in job.values.items():
        parsed = parse_control(table, name, value)
        place, number, control = name.rsplit(".", 2)
        racks[place].set(f"{number}.{control}", parsed)
    return lane


def render_blocks(lane: CodecLane, blocks: Iterator[Audio], total: int) -> Iterator[tuple[int, Audio]]:
    """Yield (samples so far, audio) for `total` input samples, followed by silence until all are
    out.
    """
    done = 0

    def fed() -> Iterator[Audio]:
        yield from blocks
        while True:
            yield np.zeros((lane.channels, BLOCK), np.float32)

    for block in fed():
        reraise_interrupt()
        for _, audio in lane.process(block):
            audio = audio[:, : total - done]
            done += audio.shape[1]
            if audio.shape[1]:
                yield done, audio
        if done >= total:
            return


class _RecordingEncoder:
    """Encoder of a lane that also writes each frame to a tape: latents on a continuous path, else
    tokens.
    """

    def __init__(self, lane: CodecLane, tape: Path, controls: DecoderControls) -> None:
        kind = "latents" if lane.chains[0].path == "continuous" else "tokens"
        header = TapeHeader.of(
            lane.codec.spec, kind, 0, controls.seed, controls.steps, controls.context_noise, codec_hash(lane.codec)
        )
        self._encoder: Encoder = lane.encoder
        self._file = AtomicFile(tape)
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

    def __enter__(self) -> _RecordingEncoder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._writer.close()
        if kind:
            self._file.discard()
        else:
            self._file.commit()
