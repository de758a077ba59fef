"""Rendering by codecs that need the whole file at once: Vorbis, and parallel decoding.

Parallel decoding denoises all frames together; its memory is proportional to the file's length.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from models.codec import Audio, Codec, CodecError, WholeFile
from models.load import load, load_transcoder
from realtime.dsp.limiter import LOOKAHEAD, Limiter
from realtime.dsp.resampler import Resampler
from realtime.effects.pyo_source import PatchSource
from realtime.files.audio_file import AudioReader, check
from realtime.files.audio_writer import AudioWriter
from realtime.offline.job import BLOCK, Job
from realtime.system.signals import reraise_interrupt


def render_whole(job: Job, progress: Callable[[float], None]) -> dict[str, Any]:
    """Render as `render` does. CodecError if the codec has no such mode or path."""
    whole = load_transcoder(job.codec)
    if job.tape:
        raise CodecError("tokens can be written while streaming only. Leave out --tokens, or --mode parallel.")
    if whole:
        if job.path == "continuous" or job.mode == "parallel":
            wrong = f'path "{job.path}"' if job.path == "continuous" else f'mode "{job.mode}"'
            raise CodecError(f'{wrong} not offered by codec "{job.codec}" (discrete, autoregressive). Leave it out.')
        transcode, kbps = whole
        reader = AudioReader(job.source)
        audio = transcode(reader.blocks(BLOCK), reader.rate, 2)
        done = _write(job, reader, audio, progress, mono_codec=False)
        return {"codec": job.codec, "path": "discrete", "bitrate": kbps} | done
    codec = load(job.codec, precision=job.precision)
    if not isinstance(codec, WholeFile):
        raise CodecError(f'mode "parallel" not offered by codec "{job.codec}". Pass --mode autoregressive.')
    path = job.path or codec.spec.paths[0]
    reader = AudioReader(job.source)
    audio = _parallel(codec, codec, job, reader, path)
    spec = codec.spec
    done = _write(job, reader, audio, progress, mono_codec=spec.channels == 1)
    bits = spec.tokens * math.log2(spec.cardinality) if path == "discrete" else 16.0 * math.prod(spec.latent)
    return {"codec": spec.name, "path": path, "bitrate": bits * spec.frame_rate / 1000} | done


def _parallel(codec: Codec, whole: WholeFile, job: Job, reader: AudioReader, path: str) -> Iterator[Audio]:
    """Yield the whole file, resampled to the codec's rate, encoded, decoded and resampled back."""
    spec, rate = codec.spec, reader.rate
    given = np.concatenate(list(reader.blocks(BLOCK)), axis=1)
    total = given.shape[1]
    pad = (spec.lookahead + spec.hop) * rate // spec.sample_rate + 1  # so that the last samples have a frame
    at_codec = _resampled(np.pad(given, ((0, 0), (0, pad))), rate, spec.sample_rate)
    late = np.pad(at_codec, ((0, 0), (spec.lookahead, 0)))  # keeps the audio out of the first frame's fade
    codes = whole.encode(late, path)
    decoded = whole.decode(codes, "parallel", job.controls.steps, job.controls.seed)[:, spec.lookahead :]
    wet = _resampled(decoded, spec.sample_rate, rate)
    limited = Limiter(rate, 2).process(np.pad(wet, ((0, 0), (0, LOOKAHEAD + total))))[:, LOOKAHEAD:]
    yield limited[:, :total]


def _resampled(audio: Audio, rate_in: int, rate_out: int) -> Audio:
    if rate_in == rate_out:
        return audio
    resampler = Resampler(rate_in, rate_out, audio.shape[0])
    return resampler.process(np.pad(audio, ((0, 0), (0, resampler.latency))))


def open_target(job: Job, reader: AudioReader | PatchSource, *, mono_codec: bool) -> AudioWriter:
    """Open the file to write, with the source's tags. One channel if the job says so, or if file and codec
    are mono and no effect could make stereo of it.
    """
    tags, channels = ({}, 2) if isinstance(reader, PatchSource) else (reader.tags, reader.channels)
    mono = job.mono or (mono_codec and channels == 1 and not job.racks.pre and not job.racks.post[0])
    return AudioWriter(job.target, reader.rate, whole=True, channels=1 if mono else 2, tags=tags)


def _write(
    job: Job, reader: AudioReader, audio: Iterator[Audio], progress: Callable[[float], None], *, mono_codec: bool
) -> dict[str, Any]:
    survey = check(job.source, decode=True)
    total, done, started = survey.length_at(reader.rate), 0, time.perf_counter()
    try:
        with open_target(job, reader, mono_codec=mono_codec) as writer:
            for block in audio:
                reraise_interrupt()
                writer.write(block)
                done += block.shape[1]
                progress(done / total)
    finally:
        reader.close()
    seconds = total / reader.rate
    return {
        "seconds": seconds,
        "real_time_factor": (time.perf_counter() - started) / seconds,
        "remarks": [*survey.remarks, *writer.remarks()],
    }
