"""Packs of training audio: files decoded once, from which random stretches are drawn.

    DIR/audio.s16   int16 [samples, 2], 48 kHz, files one after another
    DIR/index.json  for each file its name, first sample, length, whether it is lossless, and its split

A pack is memory-mapped. Files that cannot be decoded are named and skipped.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.codec import CodecError

RATE = 48000
AUDIO = (".ogg", ".wav", ".flac", ".mp3", ".opus", ".m4a", ".aiff")
SHORTEST = 960  # samples; shorter files are skipped

Pcm = npt.NDArray[np.int16]  # [samples, 2]


@dataclass(frozen=True)
class Piece:
    """One file in a pack."""

    name: str
    start: int  # samples
    length: int  # samples
    lossless: bool
    split: str  # "train" or "valid"


def decode(path: Path, rate: int = RATE) -> Pcm:
    """Return a file as int16 [samples, 2] at `rate` Hz, mono on both channels.

    CodecError if it cannot be decoded.
    """
    parts: list[npt.NDArray[Any]] = []
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise CodecError(f'"{path.name}" has no audio stream.')
            resampler = av.AudioResampler(format="s16", layout="stereo", rate=rate)
            for frame in container.decode(container.streams.audio[0]):
                parts += [out.to_ndarray() for out in resampler.resample(frame)]
            parts += [out.to_ndarray() for out in resampler.resample(None)]
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise CodecError(f'"{path.name}" cannot be decoded: {getattr(error, "strerror", None) or error}') from error
    audio = np.concatenate(parts, axis=1).reshape(-1, 2) if parts else np.zeros((0, 2), np.int16)
    if len(audio) < SHORTEST:
        raise CodecError(
            f'"{path.name}" holds {len(audio)} samples of sound ({1000 * len(audio) / rate:.0f} ms), too few.'
        )
    return audio


def build(folder: Path, destination: Path, log: Callable[[str], None] | None = None) -> list[Piece]:
    """Decode every audio file under `folder` into a pack, and return its files.

    A manifest.csv in the folder (columns path, lossless, split) lists the files. Without one, all
    files with an audio suffix are used, 1 in 20 for validation. `log` is called with a line for
    each file that is skipped (default: print to stderr). CodecError if no file can be decoded.
    """
    log = log or (lambda line: print(line, file=sys.stderr))
    destination.mkdir(parents=True, exist_ok=True)
    pieces: list[Piece] = []
    start = 0
    partial = destination / "audio.s16.partial"  # an older pack stays until this one is complete
    with partial.open("wb") as out:
        for number, (path, lossless, split) in enumerate(_listed(folder)):
            try:
                audio = decode(path)
            except CodecError as error:
                log(f"skipped {error}")
                continue
            out.write(audio.tobytes())
            split = split or ("valid" if number % 20 == 19 else "train")
            pieces.append(Piece(path.relative_to(folder).as_posix(), start, len(audio), lossless, split))
            start += len(audio)
    if not pieces:
        partial.unlink()
        raise CodecError(f'no audio could be read under "{folder}". Give a folder of {", ".join(AUDIO)} files.')
    partial.replace(destination / "audio.s16")
    (destination / "index.json").write_text(json.dumps([asdict(piece) for piece in pieces]))
    return pieces


def _listed(folder: Path) -> Iterator[tuple[Path, bool, str]]:
    """Yield each file with its lossless flag and its split ("": not given)."""
    manifest = folder / "manifest.csv"
    if manifest.is_file():
        with manifest.open(newline="") as file:
            for row in csv.DictReader(file):
                yield folder / row["path"], row["lossless"] == "1", row["split"]
        return
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in AUDIO:
            yield path, path.suffix.lower() in (".wav", ".flac", ".aiff"), ""


class Pack:
    """Source of random stretches from one or more packs.

    The probability of a piece is proportional to the square root of its length, and doubled if it
    is lossless, since most lossy music lacks the top octave. On the CPU the files stay mapped.
    Other devices get a copy (0.7 GB an hour of sound). CodecError if a folder is not a pack, or if
    no piece has the split.
    """

    def __init__(self, folders: list[Path], split: str = "train", device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.pieces: list[tuple[Tensor, Piece]] = []
        for folder in folders:
            if not (folder / "index.json").is_file():
                raise CodecError(f'"{folder}" is not a pack. Make one: verdigris train --pack FOLDER OUT')
            mapped = np.memmap(folder / "audio.s16", np.int16, mode="c").reshape(-1, 2)  # torch wants it writable
            samples = torch.from_numpy(mapped).to(self.device)
            listed = [Piece(**entry) for entry in json.loads((folder / "index.json").read_text())]
            self.pieces += [(samples, piece) for piece in listed if piece.split == split]
        if not self.pieces:
            raise CodecError(f'these packs have no pieces for "{split}".')
        weights = np.array([piece.length**0.5 * (1 + piece.lossless) for _, piece in self.pieces])
        self._bounds = np.cumsum(weights / weights.sum())

    def draw(self, rng: np.random.Generator, items: int, samples: int) -> Tensor:
        """Return random stretches, float32 [items, 2, samples].

        Shorter pieces are surrounded by silence.
        """
        out = torch.zeros(items, samples, 2, dtype=torch.int16, device=self.device)
        chosen = np.minimum(np.searchsorted(self._bounds, rng.random(items)), len(self.pieces) - 1)
        for row, number, place in zip(out, chosen, rng.random(items), strict=True):
            source, piece = self.pieces[int(number)]
            at = int(place * (abs(piece.length - samples) + 1))
            if piece.length <= samples:
                row[at : at + piece.length] = source[piece.start : piece.start + piece.length]
            else:
                row[:] = source[piece.start + at : piece.start + at + samples]
        return out.transpose(1, 2).float() / 32768
