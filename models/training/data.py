"""Audio to train on: files decoded once into a pack, and random pairs of adjacent frames out of it.

    DIR/audio.s16   int16 [samples, 2], 48 kHz, files one after another
    DIR/index.json  for each file its name, first sample, length, whether it is lossless, and its split

A pack is mapped, not read. What cannot be decoded is named and skipped: a collection of thousands of files has some.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.codec import CodecError

RATE = 48000
AUDIO = (".ogg", ".wav", ".flac", ".mp3", ".opus", ".m4a", ".aiff")
SHORTEST = 960  # samples; less is no sound to learn from

Pcm = npt.NDArray[np.int16]  # [samples, 2]


@dataclass(frozen=True)
class Piece:
    """One file's place in a pack."""

    name: str
    start: int  # samples
    length: int  # samples
    lossless: bool
    split: str  # "train" or "valid"


def decode(path: Path, rate: int = RATE) -> Pcm:
    """A file as int16 [samples, 2] at the rate; mono on both channels. CodecError if it is not sound."""
    parts: list[npt.NDArray] = []
    try:
        with av.open(str(path), metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise CodecError(f'"{path.name}" has no audio in it.')
            resampler = av.AudioResampler(format="s16", layout="stereo", rate=rate)
            for frame in container.decode(container.streams.audio[0]):
                parts += [out.to_ndarray() for out in resampler.resample(frame)]
            parts += [out.to_ndarray() for out in resampler.resample(None)]
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise CodecError(f'"{path.name}" cannot be decoded: {getattr(error, "strerror", None) or error}') from error
    audio = np.concatenate(parts, axis=1).reshape(-1, 2) if parts else np.zeros((0, 2), np.int16)
    if len(audio) < SHORTEST:
        raise CodecError(f'"{path.name}" holds {len(audio)} samples of sound, too few.')
    return audio


def build(folder: Path, destination: Path, say: Callable[[str], None] | None = None) -> list[Piece]:
    """Decode every audio file under `folder` into a pack; `say` is told of each that was skipped.

    A manifest.csv in the folder (columns path, lossless, split) says which files there are; without one every file
    with an audio suffix is taken, 1 in 20 for validation.
    """
    say = say or (lambda line: print(line, file=sys.stderr))
    destination.mkdir(parents=True, exist_ok=True)
    pieces: list[Piece] = []
    start = 0
    partial = destination / "audio.s16.partial"  # what was there before stays until then
    with partial.open("wb") as out:
        for number, (path, lossless, split) in enumerate(_listed(folder)):
            try:
                audio = decode(path)
            except CodecError as error:
                say(f"skipped {error}")
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
    """Random stretches of one or more packs. Long pieces are drawn more often, by the root of their length, lossless
    ones twice as often: most lossy music has no top octave, and a codec would learn that.

    On the CPU the files stay mapped; elsewhere they are copied there (0.7 GB an hour).
    """

    def __init__(self, folders: list[Path], split: str = "train", device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.pieces: list[tuple[Tensor, Piece]] = []
        for folder in folders:
            if not (folder / "index.json").is_file():
                raise CodecError(f'"{folder}" is no pack. Make one: verdigris train --pack FOLDER OUT')
            mapped = np.memmap(folder / "audio.s16", np.int16, mode="c").reshape(-1, 2)  # torch wants it writable
            samples = torch.from_numpy(mapped).to(self.device)
            listed = [Piece(**entry) for entry in json.loads((folder / "index.json").read_text())]
            self.pieces += [(samples, piece) for piece in listed if piece.split == split]
        if not self.pieces:
            raise CodecError(f'these packs have no pieces for "{split}".')
        weights = np.array([piece.length**0.5 * (1 + piece.lossless) for _, piece in self.pieces])
        self._bounds = np.cumsum(weights / weights.sum())

    def draw(self, rng: np.random.Generator, items: int, samples: int) -> Tensor:
        """Stretches, float32 [items, 2, samples]; a piece that is shorter lies somewhere in silence."""
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
