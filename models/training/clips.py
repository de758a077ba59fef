"""Clips for evaluation: audio files, folders, or excerpts of the training data's validation split."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path, PurePosixPath

import numpy as np

from models.codec import Audio, CodecError
from models.training.data import RATE, Pcm, Piece, decode

SUFFIXES = (".ogg", ".flac", ".wav")
SKIPPED = 4.0  # seconds at the start of a piece: the card of nano quotes them, and many pieces fade in


def read_clips(paths: Sequence[Path], seconds: float) -> dict[str, Audio]:
    """Return clips by name, float32 [2, n] at 48 kHz, at most `seconds` of each.

    Folders are searched.

    CodecError if there are none.
    """
    files = [f for p in paths for f in (sorted(p.iterdir()) if p.is_dir() else [p])]
    clips = {f.stem: _to_float(decode(f)[: round(seconds * RATE)]) for f in files if f.suffix.lower() in SUFFIXES}
    if not clips:
        raise CodecError("no clips to evaluate on; give audio files or a folder of them.")
    return clips


def excerpts(folder: Path, split: str, seconds: float, each: int = 2) -> dict[str, Audio]:
    """Return up to `each` excerpts of every piece of a split, by "PIECE@SECOND".

    Each is float32 [2, n] at 48 kHz. `folder` is a pack, or a folder with a manifest.csv. Where
    excerpts begin depends on the piece's name and length alone; they are 4 s from its start or
    later and do not overlap. Pieces too short for one are left out, and so are further performances
    ("NAME~1.flac") of a piece. CodecError if the folder is neither, or nothing is left.
    """
    length, skipped = round(seconds * RATE), round(SKIPPED * RATE)
    found: dict[str, Audio] = {}
    for name, load in sorted(_pieces(folder, split), key=itemgetter(0)):
        if "~" in PurePosixPath(name).stem:
            continue
        audio = load()
        count = min(each, (len(audio) - skipped) // length)
        for number in range(count):  # each at a fixed pseudo-random place in its part of the piece
            part = (len(audio) - skipped) // count
            at = skipped + number * part + int(_share(f"{name} {number}") * (part - length + 1))
            found[f"{name}@{at / RATE:.1f}"] = _to_float(audio[at : at + length])
    if not found:
        raise CodecError(
            f'"{folder}" has no pieces of {SKIPPED + seconds:g} s or more for "{split}". '
            "Give a shorter --seconds, or a folder that `verdigris train --fetch` or --pack filled."
        )
    return found


def _pieces(folder: Path, split: str) -> Iterator[tuple[str, Callable[[], Pcm]]]:
    """Yield each piece's name and a function that returns it as int16 [n, 2]."""
    if (folder / "index.json").is_file():
        samples = np.memmap(folder / "audio.s16", np.int16, mode="r").reshape(-1, 2)
        for entry in json.loads((folder / "index.json").read_text()):
            piece = Piece(**entry)
            if piece.split == split:
                yield piece.name, partial(_part, samples, piece)
    elif (folder / "manifest.csv").is_file():
        with (folder / "manifest.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                if row["split"] == split:
                    yield row["path"], partial(decode, folder / row["path"])
    else:
        raise CodecError(f'"{folder}" has no index.json and no manifest.csv. Give a pack, or a folder of fetched data.')


def _part(samples: Pcm, piece: Piece) -> Pcm:
    return samples[piece.start : piece.start + piece.length]


def _share(name: str) -> float:
    """Return a number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha1(name.encode()).digest()[:6]) / 2**48


def _to_float(audio: Pcm) -> Audio:
    return np.ascontiguousarray(audio.T, np.float32) / np.float32(32768)
