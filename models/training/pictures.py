"""Spectrograms of originals and results as PNG files."""

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
RANGE = (-70.0, 10.0)  # dB of black and white
SECONDS_DRAWN = 4.0  # seconds drawn at most
LONG, STEP = 8192, 1024  # samples of the long window (171 ms) and of its hop
ROWS, LOW, HIGH = 256, 50.0, 16000.0  # rows of a long picture, and the Hz of its bottom and top
DEPTH = 75.0  # dB between white and black of a long picture


def write_picture(folder: Path, run: str, clip: str, reference: Audio, degraded: Audio) -> None:
    """Write FOLDER/CLIP/RUN.png, the original above the result. "/" in a name becomes "_".

    Audio is float32 [2, n] at 48 kHz.
    """
    name = run.replace(" ", "-").replace(",", "").replace("/", "_").replace(":", "")
    path = folder / clip.replace("/", "_") / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(np.concatenate([spectrogram(reference), spectrogram(degraded)])))


def spectrogram(audio: Audio) -> npt.NDArray[np.uint8]:
    """Return a picture [BANDS, columns] of mel bands, low at the bottom.

    It shows the mean of both channels.
    """
    mono = torch.from_numpy(np.ascontiguousarray(audio.mean(0)[: round(SECONDS_DRAWN * 48000)]))
    bands = magnitudes(mono, WINDOW, WINDOW // 4) @ mel_filters(WINDOW, BANDS)
    shown = (20 * torch.log10(bands.clamp(min=1e-6)) - RANGE[0]) / (RANGE[1] - RANGE[0])
    return (shown.clamp(0, 1) * 255).byte().numpy().T[::-1]


def long_spectrogram(audio: Audio, top: float | None = None) -> tuple[npt.NDArray[np.uint8], float]:
    """Return (picture [ROWS, columns], its white in dB), low at the bottom.

    Of the mean of both channels. The 171 ms window shows whether a partial is a line or a band of
    noise. Rows are equal ratios of frequency from 50 Hz to 16 kHz, each the highest of its bins.
    `top` is the white of a picture to compare with; without it the highest level is white.
    """
    mono = torch.from_numpy(np.ascontiguousarray(audio.mean(0)[: round(SECONDS_DRAWN * 48000)]))
    mono = torch.nn.functional.pad(mono, (LONG // 2, LONG // 2))
    levels = 20 * torch.log10(magnitudes(mono, LONG, STEP)).numpy()  # [columns, bins]
    edges = np.geomspace(LOW, HIGH, ROWS + 1) * LONG / 48000
    first = np.round(edges[:-1]).astype(int)
    last = np.maximum(np.round(edges[1:]).astype(int), first + 1)
    rows = np.stack([levels[:, a:b].max(1) for a, b in zip(first, last, strict=True)])
    white = float(rows.max()) if top is None else top
    return (np.clip(1 + (rows - white) / DEPTH, 0, 1) * 255).astype(np.uint8)[::-1], white


def png(grey: npt.NDArray[np.uint8]) -> bytes:
    """Return a greyscale picture [rows, columns] as a PNG file (RFC 2083), every row unfiltered."""
    rows = np.concatenate([np.zeros((grey.shape[0], 1), np.uint8), grey], axis=1)
    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
