"""Rendering: a file through a codec to another file, the same length, latency removed, in constant memory.

It is the lane that plays live, fed from a file instead of a timeline.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.codec import Audio, CodecError, Controls
from models.load import Transcoder, load, load_transcoder
from realtime.audiofile import AudioFileError, Reader, Writer, check
from realtime.lane import Lane
from realtime.wholefile import same_file

BLOCK = 4096  # samples read at once
OTHER_FORMATS = (".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff")


def render(
    source: Path,
    target: Path,
    codec: str,
    path: str | None,
    controls: Controls,
    progress: Callable[[float], None] = lambda done: None,
) -> dict[str, Any]:
    """Write target (float32 WAV at the source's rate); what was done. CodecError or AudioFileError if it cannot be."""
    if same_file(source, target):
        raise AudioFileError(f"{target}: the input itself. Pass another file for the output.")
    if target.suffix.lower() in OTHER_FORMATS:
        raise AudioFileError(f"{target}: a WAV is what is written. Pass a name that ends in .wav.")
    if whole := load_transcoder(codec):
        if path == "continuous":
            raise CodecError(f'path "{path}" not offered by codec "{codec}" (discrete). Pass {codec}:discrete.')
        check(source)
        return _render_whole(source, target, codec, whole, progress)
    loaded = load(codec)
    check(source)
    reader = Reader(source)
    try:
        lane = Lane(loaded, [(0, path or loaded.spec.paths[0])], reader.rate)
        lane.outlets[0].controls = controls
        total = reader.length or 0
        with Writer(target, reader.rate, whole=True) as writer:
            for done, audio in render_blocks(lane, reader.blocks(BLOCK), total):
                writer.write(audio)
                progress(done / total)
    finally:
        reader.close()
    seconds = lane.frames / loaded.spec.frame_rate
    return {
        "codec": loaded.spec.name,
        "path": lane.outlets[0].path,
        "seconds": total / reader.rate,
        "bitrate": lane.outlets[0].bits / seconds / 1000,
        "real_time_factor": lane.codec_seconds / seconds,
    }


def _render_whole(
    source: Path, target: Path, name: str, whole: tuple[Transcoder, int], progress: Callable[[float], None]
) -> dict[str, Any]:
    """A codec that needs all of the file before it gives any of it back."""
    transcode, kbps = whole
    reader = Reader(source)
    try:
        total, done, started = reader.length or 0, 0, time.perf_counter()
        with Writer(target, reader.rate, whole=True) as writer:
            for audio in transcode(reader.blocks(BLOCK), reader.rate, 2):
                writer.write(audio)
                done += audio.shape[1]
                progress(done / total)
    finally:
        reader.close()
    seconds = total / reader.rate
    taken = time.perf_counter() - started
    return {"codec": name, "path": "discrete", "seconds": seconds, "bitrate": kbps, "real_time_factor": taken / seconds}


def render_blocks(lane: Lane, blocks: Iterator[Audio], total: int) -> Iterator[tuple[int, Audio]]:
    """Feed blocks of `total` samples, then silence until as many have come out: (samples out so far, audio)."""
    done = 0

    def fed() -> Iterator[Audio]:
        yield from blocks
        while True:
            yield np.zeros((lane.channels, BLOCK), np.float32)

    for block in fed():
        for _, audio in lane.process(block):
            audio = audio[:, : total - done]
            done += audio.shape[1]
            if audio.shape[1]:
                yield done, audio
        if done >= total:
            return
