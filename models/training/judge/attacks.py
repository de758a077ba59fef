"""Attacks: pre-echo energy before a hit, and the rise time of the hit.

Both are measured above 1 kHz in steps of 1 ms, at the attacks of the original.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.training.judge.short_time import RATE, Signal, decibels

STEP = RATE // 1000  # samples of 1 ms
CUTOFF = 1000.0  # Hz
BEFORE, AFTER = 20, 8  # ms compared to find attacks
HEIGHT = 12.0  # dB from the mean before to the maximum after that make an attack
RANGE = 30.0  # dB below the loudest millisecond where attacks are still counted
APART = 60  # ms between attacks, and from both ends of the signal
LOWEST = -60.0  # dB; pre-echo below this counts as none
LEAST = 8  # attacks; fewer give no score


@dataclass(frozen=True)
class Attacks:
    """Attacks of the original, and their rendering in the output; None if there are too few."""

    count: int
    pre_echo: float | None  # dB more than the original's
    rise: float | None  # ms, median
    reference_rise: float | None  # ms, median


def attacks(reference: Signal, degraded: Signal) -> Attacks:
    """Measure the attacks; both signals are mono, of one length, aligned in time and level."""
    before, after = _energies(reference), _energies(degraded)
    places = [at for at in find_attacks(before) if APART <= at <= len(before) - APART]
    if len(places) < LEAST:
        return Attacks(len(places), None, None, None)
    echoes = [_pre_echo(after, at) - _pre_echo(before, at) for at in places]
    rises, reference_rises = ([_rise(energies, at) for at in places] for energies in (after, before))
    return Attacks(len(places), float(np.mean(echoes)), float(np.median(rises)), float(np.median(reference_rises)))


def _energies(signal: Signal) -> npt.NDArray[Any]:
    """Return the energy [ms] above 1 kHz.

    The filter is a Butterworth of order 4, run forwards and backwards (no phase).
    """
    if not len(signal):
        return np.zeros(0)
    hertz = np.fft.rfftfreq(len(signal), 1 / RATE)
    with np.errstate(divide="ignore"):
        passed = 1 / (1 + (CUTOFF / hertz) ** 8)
    high = np.fft.irfft(np.fft.rfft(signal) * passed, n=len(signal))
    count = len(high) // STEP
    return (high[: count * STEP].reshape(count, STEP) ** 2).mean(1)


def find_attacks(energies: npt.NDArray[Any]) -> list[int]:
    """Return the milliseconds at which energies [ms] leap up, the highest leap of every 60 ms."""
    if len(energies) <= BEFORE + AFTER:
        return []
    levels = decibels(np.convolve(energies, np.ones(3) / 3, "same"), 1e-10)
    windows = np.lib.stride_tricks.sliding_window_view
    later = windows(levels, AFTER)[BEFORE:].max(1)  # from millisecond BEFORE on
    leap = later - windows(levels, BEFORE)[: len(later)].mean(1)
    leap[later < levels.max() - RANGE] = 0
    tops = np.nonzero((leap[1:-1] >= leap[:-2]) & (leap[1:-1] > leap[2:]) & (leap[1:-1] >= HEIGHT))[0] + 1
    chosen: list[int] = []
    for at in tops[np.argsort(-leap[tops], kind="stable")]:
        if all(abs(at - other) >= APART for other in chosen):
            chosen.append(int(at))
    return sorted(at + BEFORE for at in chosen)


def _pre_echo(energies: npt.NDArray[Any], at: int) -> float:
    """Return the energy before an attack against that after it, in dB, at least `LOWEST`.

    From 25 to 3 ms before, and 20 ms after.
    """
    before, after = energies[at - 25 : at - 3].mean(), energies[at : at + 20].mean()
    return max(10 * float(np.log10((before + 1e-12) / (after + 1e-12))), LOWEST)


def _rise(energies: npt.NDArray[Any], at: int) -> int:
    """Return the ms from 5 % to 50 % of the energy between 50 ms before and 40 ms after an attack."""
    part = np.cumsum(energies[at - 50 : at + 40])
    early, half = np.searchsorted(part, part[-1] * np.array([0.05, 0.5]))
    return int(half - early)
