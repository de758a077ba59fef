"""Spectrograms as PNG files, original above result: the eye finds what a mean hides."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.codec import Audio
from models.training.losses import magnitudes, mel_filters

WINDOW, BANDS = 2048, 256
RANGE = (-70.0, 10.0)  # dB of the picture's black and white
HEIGHT = 4.0  # seconds drawn at most


def write_pictures(folder: Path, name: str, pairs: dict[str, tuple[Audio, Audio]]) -> None:
    """FOLDER/CLIP/RUN.png for each clip."""
    for clip, (reference, degraded) in pairs.items():
        picture = np.concatenate([spectrogram(reference), spectrogram(degraded)])
        path = folder / clip / (name.replace(" ", "-").replace(",", "").replace("/", "_").replace(":", "") + ".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(picture))


def spectrogram(audio: Audio) -> npt.NDArray[np.uint8]:
    """[BANDS, columns] of mel bands of the mean of both channels, low at the bottom."""
    mono = torch.from_numpy(np.ascontiguousarray(audio.mean(0)[: round(HEIGHT * 48000)]))
    bands = magnitudes(mono, WINDOW, WINDOW // 4) @ mel_filters(WINDOW, BANDS)
    shown = (20 * torch.log10(bands.clamp(min=1e-6)) - RANGE[0]) / (RANGE[1] - RANGE[0])
    return (shown.clamp(0, 1) * 255).byte().numpy().T[::-1]


def png(grey: npt.NDArray[np.uint8]) -> bytes:
    """A greyscale picture [rows, columns] as a PNG file (RFC 2083), every row unfiltered."""
    rows = np.concatenate([np.zeros((grey.shape[0], 1), np.uint8), grey], axis=1)
    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
