"""Rendering by codecs that want all of a file before they give any of it back: Vorbis, and parallel decoding.

Parallel decoding denoises the frames of a whole file together; it needs memory in proportion to the file's length.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from models.codec import Audio, Codec, CodecError, WholeFile
from models.load import load, load_transcoder
from realtime.audiofile import Reader, Writer, check
from realtime.job import BLOCK, Job
from realtime.limiter import LOOKAHEAD, Limiter
from realtime.resample import Resampler
from realtime.signals import not_lost


def render_whole(job: Job, progress: Callable[[float], None]) -> dict[str, Any]:
    """As `render`; CodecError if this codec cannot do it so."""
    whole = load_transcoder(job.codec)
    if job.tape:
        raise CodecError("tokens are written while streaming only. Leave out --tokens, or --mode parallel.")
    if whole:
        if job.path == "continuous" or job.mode == "parallel":
            wrong = f'path "{job.path}"' if job.path == "continuous" else f'mode "{job.mode}"'
            raise CodecError(f'{wrong} not offered by codec "{job.codec}" (discrete, autoregressive). Leave it out.')
        check(job.source)
        transcode, kbps = whole
        reader = Reader(job.source)
        audio = transcode(reader.blocks(BLOCK), reader.rate, 2)
        return {"codec": job.codec, "path": "discrete", "bitrate": kbps} | _write(job, reader, audio, progress)
    codec = load(job.codec, precision=job.precision)
    if not isinstance(codec, WholeFile):
        raise CodecError(f'mode "parallel" not offered by codec "{job.codec}". Pass --mode autoregressive.')
    check(job.source)
    path = job.path or codec.spec.paths[0]
    reader = Reader(job.source)
    audio = _parallel(codec, codec, job, reader, path)
    done = _write(job, reader, audio, progress)
    spec = codec.spec
    bits = spec.tokens * math.log2(spec.cardinality) if path == "discrete" else 16.0 * math.prod(spec.latent)
    return {"codec": spec.name, "path": path, "bitrate": bits * spec.frame_rate / 1000} | done


def _parallel(codec: Codec, whole: WholeFile, job: Job, reader: Reader, path: str) -> Iterator[Audio]:
    """The whole file at the codec's rate through encode and decode, and back to the reader's rate."""
    spec, rate = codec.spec, reader.rate
    given = np.concatenate(list(reader.blocks(BLOCK)), axis=1)
    total = given.shape[1]
    pad = (spec.lookahead + spec.hop) * rate // spec.sample_rate + 1  # so that the last samples have their frame
    at_codec = _resampled(np.pad(given, ((0, 0), (0, pad))), rate, spec.sample_rate)
    late = np.pad(at_codec, ((0, 0), (spec.lookahead, 0)))  # keeps the sound out of the first frame's fade
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


def _write(job: Job, reader: Reader, audio: Iterator[Audio], progress: Callable[[float], None]) -> dict[str, Any]:
    total, done, started = reader.length or 0, 0, time.perf_counter()
    try:
        with Writer(job.target, reader.rate, whole=True) as writer:
            for block in audio:
                not_lost()
                writer.write(block)
                done += block.shape[1]
                progress(done / total)
    finally:
        reader.close()
    seconds = total / reader.rate
    return {"seconds": seconds, "real_time_factor": (time.perf_counter() - started) / seconds}
