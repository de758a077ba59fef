"""Vorbis, which has no fixed hop, so that it cannot play live: a whole file through it and back."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import numpy as np
import soundfile

from models.classic import tamed
from models.codec import Audio, CodecError

# Nominal kbit/s of stereo at 44.1 or 48 kHz for libvorbis's quality 0 to 10: what it has in place of a bitrate.
QUALITIES = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 500)
RATES = range(8_000, 192_001)  # libsndfile crashes where libvorbis refuses, somewhere above
BLOCK = 8192  # always: what libvorbis makes of the start depends on how much it is given at once


def transcode(blocks: Iterator[Audio], sample_rate: int, channels: int, kbps: int) -> Iterator[Audio]:
    """Encode float32 [channels, T] blocks with Vorbis and decode them: as many samples, each at its own place.

    Nothing comes out before the last block went in. What is between is on disk, in a file without a name; memory does
    not depend on the length. CodecError if this bitrate or rate is not offered, or the disk is full.
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
                    encoder.write(tamed(block).T)
                except soundfile.LibsndfileError:
                    raise disk_full() from None
                given += block.shape[1]
        os.lseek(store.fileno(), 0, os.SEEK_SET)
        with soundfile.SoundFile(store.fileno(), closefd=False) as decoder:
            if decoder.frames != given:  # what libsndfile writes when it closes can be lost without a word
                raise disk_full()
            while (block := decoder.read(BLOCK, dtype="float32", always_2d=True)).size:
                yield block.T


def reblocked(blocks: Iterator[Audio]) -> Iterator[Audio]:
    """The same samples, BLOCK at a time; the last block may be shorter."""
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
    where = tempfile.gettempdir()
    return CodecError(f"vorbis could not write to {where}. Make room there, or name another directory in TMPDIR.")
