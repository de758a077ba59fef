"""Vorbis transcoding of whole files. Vorbis has no fixed hop and cannot play live."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import numpy as np
import soundfile

from models.classic.ffmpeg import sanitise
from models.codec import Audio, CodecError

# Nominal kbit/s of stereo at 44.1 or 48 kHz for libvorbis's quality 0 to 10; it has no bitrates.
QUALITIES = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 500)
RATES = range(8_000, 192_001)  # libsndfile crashes at some rates above
BLOCK = 8192  # fixed: the start of the output depends on the size of the first block


def transcode(blocks: Iterator[Audio], sample_rate: int, channels: int, kbps: int) -> Iterator[Audio]:
    """Encode float32 blocks [channels, T] with Vorbis and yield as many decoded samples.

    The output is aligned with the input.
    The first block is yielded after the last one was read. The encoded data is in an unnamed
    temporary file; memory does not depend on the length. CodecError if the bitrate or sample rate
    is not offered, or if the disk is full.
    """
    if kbps not in QUALITIES:
        nearest = min(QUALITIES, key=lambda offered: abs(offered - kbps))
        raise CodecError(
            f"{kbps} kbit/s not offered by vorbis ({', '.join(map(str, QUALITIES))}). Pass such as vorbis:{nearest}."
        )
    if sample_rate not in RATES:
        raise CodecError(
            f"sample rate {sample_rate} not offered by vorbis ({RATES[0]} to {RATES[-1]}). Resample to 48000."
        )
    return _transcode(blocks, sample_rate, channels, 1 - QUALITIES.index(kbps) / (len(QUALITIES) - 1))


def _transcode(blocks: Iterator[Audio], sample_rate: int, channels: int, compression: float) -> Iterator[Audio]:
    given = 0
    with tempfile.TemporaryFile() as store:
        with soundfile.SoundFile(
            store.fileno(),
            "w",
            samplerate=sample_rate,
            channels=channels,
            format="OGG",
            subtype="VORBIS",
            compression_level=compression,
            closefd=False,
        ) as encoder:
            for block in reblocked(blocks):
                try:
                    encoder.write(sanitise(block).T)
                except soundfile.LibsndfileError:
                    raise disk_full() from None
                given += block.shape[1]
        os.lseek(store.fileno(), 0, os.SEEK_SET)
        with soundfile.SoundFile(store.fileno(), closefd=False) as decoder:
            if decoder.frames != given:  # libsndfile does not report failed writes when it closes
                raise disk_full()
            while (block := decoder.read(BLOCK, dtype="float32", always_2d=True)).size:
                yield block.T


def reblocked(blocks: Iterator[Audio]) -> Iterator[Audio]:
    """Yield the same samples in blocks of BLOCK; the last one may be shorter."""
    held: list[Audio] = []
    for block in blocks:
        held.append(block)
        if sum(piece.shape[1] for piece in held) < BLOCK:
            continue
        line = np.concatenate(held, axis=1)
        whole = line.shape[1] // BLOCK * BLOCK
        for start in range(0, whole, BLOCK):
            yield line[:, start : start + BLOCK]
        held = [line[:, whole:]]
    if held and (line := np.concatenate(held, axis=1)).size:
        yield line


def disk_full() -> CodecError:
    """Return the error of a full temporary directory."""
    where = tempfile.gettempdir()
    return CodecError(f"vorbis could not write to {where}. Make room there, or name another directory in TMPDIR.")
