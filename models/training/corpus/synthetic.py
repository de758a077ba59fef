"""Audio that this program makes: tones and hits, and numbers spoken by espeak-ng and flite.

A piece depends on its number alone, so that a longer run adds pieces to those of a shorter one. Voices
are left out where neither program is installed. flite's voice slt is that of a demo clip, and not used.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from models.training.corpus.packages import command
from models.training.corpus.sources import Source
from models.training.data import decode

SECONDS = 30  # of a piece of tones and hits
RATE = 48_000
NUMBERS = 24  # spoken in a piece, about 25 s
LANGUAGES = ("en-us", "en-gb", "de", "fr-fr", "es", "it", "pl", "sv", "nl", "pt")
SPEAKERS = ("", "+f2", "+f4", "+m3", "+m7", "+f5")
FLITE = ("awb", "rms", "kal16")
TONES = Source("synthetic", "1", "", 0, True, (), "CC0-1.0", "")
VOICES = Source("voices", "1", "", 0, True, (), "CC0-1.0", "Numbers spoken by espeak-ng and flite")

Wave = npt.NDArray[Any]


def synthesise(audio: Path, hours: float, log: Callable[[str], None]) -> list[Source]:
    """Write so many hours of pieces to folders in `audio`, half of them voices, where they do not exist yet.

    Return the sources that were written. CodecError if a voice fails.
    """
    speakers = [name for name in ("espeak-ng", "flite") if shutil.which(name)]
    share = hours / 2 if speakers else hours
    folder = audio / TONES.name
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(round(share * 3600 / SECONDS)):
        path = folder / f"tones_{number:04}.flac"
        if not path.exists():
            soundfile.write(path, tones_and_hits(np.random.default_rng([7, number])).T, RATE, "PCM_16")
    if not speakers:
        log("no voices: install espeak-ng and flite for them")
        return [TONES]
    folder, spoken, number = audio / VOICES.name, 0.0, 0
    folder.mkdir(parents=True, exist_ok=True)
    while spoken < share * 3600:
        path = _spoken(folder, speakers[number % len(speakers)], number)
        spoken += soundfile.info(path).duration
        number += 1
    return [TONES, VOICES]


def tones_and_hits(rng: np.random.Generator) -> Wave:
    """Return a piece, float64 [2, n] at 48 kHz: notes, sweeps and bursts of noise, some in silence."""
    piece = np.zeros((2, SECONDS * RATE))
    at, kind = 0.0, rng.random()
    while at < SECONDS - 2:
        for _ in range(int(rng.integers(1, 5))):
            sound = _hit(rng) if rng.random() < kind else _note(rng)
            first = int((at + 0.01 * rng.random()) * RATE)
            pan = rng.random() * np.pi / 2
            end = min(piece.shape[1], first + len(sound))
            piece[:, first:end] += np.outer([np.cos(pan), np.sin(pan)], sound[: end - first])
        at += float(rng.choice([0.08, 0.15, 0.3, 0.6, 1.2]))
    return piece * (10 ** rng.uniform(-1, -0.1) / np.abs(piece).max())


def _note(rng: np.random.Generator) -> Wave:
    """Return a note of partials that lasts or dies away, or a sweep."""
    time = np.arange(int(RATE * rng.choice([0.2, 0.5, 1.0, 2.0]))) / RATE
    pitch = 40 * 2 ** rng.uniform(0, 5.5)
    ratio = 2 ** (rng.uniform(-2, 2) * time / time[-1]) if rng.random() < 0.15 else np.ones(len(time))
    ratio = ratio * (1 + rng.choice([0, 0.006]) * np.sin(2 * np.pi * rng.uniform(4, 7) * time))
    phase = 2 * np.pi * np.cumsum(pitch * ratio) / RATE
    stretched, slope, decay = rng.choice([0, 2e-4]), rng.uniform(0.3, 2), rng.choice([0.0, 1.0, 4.0])
    note = np.zeros(len(time))
    for partial in range(1, int(rng.integers(2, 40))):
        place = partial * (1 + stretched * partial**2) ** 0.5
        if place * pitch * ratio.max() > 0.45 * RATE:
            break
        loss = np.exp(-decay * (1 + 0.1 * partial) * time)
        note += partial**-slope * rng.uniform(0.3, 1) * loss * np.sin(place * phase + 6.3 * rng.random())
    edge = int(RATE * rng.choice([0.001, 0.005, 0.05]))
    note[:edge] *= np.linspace(0, 1, edge)
    note[-1000:] *= np.linspace(1, 0, 1000)
    return note / max(1e-9, np.abs(note).max())


def _hit(rng: np.random.Generator) -> Wave:
    """Return a burst of filtered noise that dies away."""
    time = np.arange(int(RATE * rng.uniform(0.02, 0.5))) / RATE
    spectrum = np.fft.rfft(rng.standard_normal(len(time)))
    octaves = np.log2(np.fft.rfftfreq(len(time), 1 / RATE).clip(20) / (100 * 2 ** rng.uniform(0, 7)))
    noise = np.fft.irfft(spectrum * np.exp(-np.square(octaves / rng.uniform(0.3, 3))), n=len(time))
    noise = noise * np.exp(-time / rng.uniform(0.003, 0.15))
    return rng.uniform(0.3, 1) * noise / max(1e-9, np.abs(noise).max())


def _spoken(folder: Path, program: str, number: int) -> Path:
    """Return the file of a piece of spoken numbers, written if it does not exist."""
    rng = random.Random(number)
    text = ", ".join(str(rng.randrange(10 ** rng.randint(1, 4))) for _ in range(NUMBERS))
    voice = rng.choice(FLITE) if program == "flite" else rng.choice(LANGUAGES) + rng.choice(SPEAKERS)
    path, wave = folder / f"{program}_{voice}_{number:04}.flac", folder / "voice.wav"
    if not path.exists():
        if program == "flite":
            command("flite", "-voice", voice, "-t", text, "-o", str(wave.resolve()), cwd=folder)
        else:
            pace, pitch = str(rng.randint(120, 210)), str(rng.randint(20, 80))
            command("espeak-ng", "-v", voice, "-s", pace, "-p", pitch, "-w", str(wave.resolve()), text, cwd=folder)
        soundfile.write(path, decode(wave), RATE, "PCM_16")
        wave.unlink()
    return path
