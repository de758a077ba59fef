"""Frequency scales of the spectrogram and the spectrum: by notes (logarithmic) or by hertz (mel)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

A4_HZ, A4_KEY = 440.0, 69  # concert pitch, and its MIDI key
NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
Warp = Callable[[npt.ArrayLike], npt.NDArray[np.float64]]


def mel(hertz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the mel scale of a frequency in Hz (O'Shaughnessy, 1987)."""
    return 2595.0 * np.log10(1.0 + np.asarray(hertz, float) / 700.0)


def hertz(mels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the frequency in Hz of a mel value; the inverse of `mel`."""
    return 700.0 * (10.0 ** (np.asarray(mels, float) / 2595.0) - 1.0)


def key_hz(key: float) -> float:
    """Return the frequency of a MIDI key in equal temperament."""
    return A4_HZ * math.pow(2.0, (key - A4_KEY) / 12)


def note_name(frequency: float) -> str:
    """Return the nearest note and the cents above it, such as "A4 +12 ct"; "" below C0."""
    if frequency < key_hz(11.5):
        return ""
    key = A4_KEY + 12 * math.log2(frequency / A4_HZ)
    nearest = round(key)
    cents = round(100 * (key - nearest))
    return f"{NAMES[nearest % 12]}{nearest // 12 - 1}" + (f" {cents:+d} ct" if cents else "")


@dataclass(frozen=True)
class FrequencyScale:
    """Scale from `low` to `top` Hz. `marks` are frequencies in Hz with their labels."""

    name: str
    low: float
    top: float
    marks: tuple[tuple[float, str], ...]
    warp: Warp
    unwarp: Warp

    def place(self, frequency: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the position of a frequency, from 0 (`low`) to 1 (`top`)."""
        low, top = self.warp(self.low), self.warp(self.top)
        return (self.warp(frequency) - low) / (top - low)

    def frequency(self, place: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the frequency in Hz of a position; the inverse of `place`."""
        low, top = self.warp(self.low), self.warp(self.top)
        return self.unwarp(low + np.asarray(place, float) * (top - low))

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Return position and label of each mark."""
        return [(float(self.place(frequency)), label) for frequency, label in self.marks]


_HZ = (0, 1_000, 4_000, 10_000, 20_000)
MEL = FrequencyScale("Hz", 0.0, 20_000.0, tuple((f, f"{f // 1000}k" if f else "0") for f in _HZ), mel, hertz)
NOTES = FrequencyScale(
    "notes", key_hz(24), 20_000.0, tuple((key_hz(12 * (n + 1)), f"C{n}") for n in range(1, 11)), np.log2, np.exp2
)
