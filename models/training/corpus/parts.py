"""Training audio in small parts (Ogg Opus, each with a manifest), for upload to a remote GPU over a
slow line.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile

from models.codec import CodecError
from models.training.corpus.fetch import COLUMNS
from models.training.data import RATE, decode

COMPRESSION = 0.78  # libsndfile's level for Opus: about 120 kbit/s of stereo
CHUNK = 10 * RATE  # samples written at a time


def divide(folder: Path, out: Path, megabytes: float) -> list[Path]:
    """Split the files of folder/manifest.csv into folders out/00, out/01, ... and return these.

    Each has at most `megabytes` MB and can be packed by itself. CodecError if the folder has no
    manifest.
    """
    listing = folder / "manifest.csv"
    if not listing.is_file():
        raise CodecError(f'"{folder}" has no manifest.csv. Fetch the audio first: verdigris train --fetch FOLDER')
    with listing.open(newline="") as file:
        rows = list(csv.DictReader(file))
    parts: list[Path] = []
    out.mkdir(parents=True, exist_ok=True)
    left = 0.0  # bytes that still fit into the last part
    for row in rows:
        name = row["path"].replace("/", "_") + ".opus"
        _encode_opus(folder / row["path"], out / name)
        size = (out / name).stat().st_size
        if size > left:
            parts.append(out / f"{len(parts):02}")
            parts[-1].mkdir(exist_ok=True)
            (parts[-1] / "manifest.csv").write_text(",".join(COLUMNS) + "\n")
            left = megabytes * 1e6
        (out / name).rename(parts[-1] / name)
        with (parts[-1] / "manifest.csv").open("a", newline="") as file:
            csv.writer(file).writerow([{**row, "path": name}[column] for column in COLUMNS])
        left -= size
    return parts


def _encode_opus(source: Path, target: Path) -> None:
    """Encode a file as Ogg Opus."""
    audio = decode(source).astype(np.float32) / 32768
    with soundfile.SoundFile(target, "w", RATE, 2, format="OGG", subtype="OPUS", compression_level=COMPRESSION) as file:
        for start in range(0, len(audio), CHUNK):  # libsndfile overflows its stack on long pieces at once
            file.write(audio[start : start + CHUNK])
