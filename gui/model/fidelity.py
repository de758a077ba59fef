"""Tonal and transient loss of what is heard, by the measures of models/training/judge.

They are computed in a thread of the window over the last seconds, and touch no audio thread.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.training.judge.align import align
from models.training.judge.attacks import attacks
from models.training.judge.short_time import RATE
from models.training.judge.tones import BANDS, tones

TONES_S, ATTACKS_S = 4.0, 8.0  # seconds that are measured
EVERY_S = ATTACKS_S  # each second of sound is measured once
SILENT = 1e-5  # root mean square below which there is nothing to measure
Mono = npt.NDArray[np.float32]
Read = Callable[[str, float], Mono]  # (path, seconds): the newest sound of that length


@dataclass(frozen=True)
class Fidelity:
    """Loss of a path against dry; None where dry has too little to measure."""

    tones: tuple[float | None, ...] = (None,) * len(BANDS)  # part of the tones' height that is left, by band
    pre_echo: float | None = None  # dB of noise before attacks, more than in dry
    smear: float | None = None  # ms by which attacks rise more slowly


def measure(dry: Mono, wet: Mono, rate: int) -> Fidelity:
    """Return the loss of `wet` against `dry`, aligned mono sound of ATTACKS_S seconds at `rate` Hz."""
    if min(float(np.sqrt(np.mean(sound**2))) for sound in (dry, wet)) < SILENT:
        return Fidelity()
    first, second = (_at_judged_rate(sound, rate)[None] for sound in (dry, wet))
    before, after, _, _ = align(first, second, 0)
    newest = slice(-round(TONES_S * RATE), None)
    hits = attacks(before[0], after[0])
    smear = None if hits.rise is None or hits.reference_rise is None else hits.rise - hits.reference_rise
    kept = tuple(band.kept for band in tones(before[0, newest], after[0, newest]))
    return Fidelity(kept, hits.pre_echo, smear)


def _at_judged_rate(sound: Mono, rate: int) -> npt.NDArray[np.float64]:
    """Return sound at the rate of the judge, by its Fourier transform."""
    if rate == RATE:
        return sound.astype(np.float64)
    count = round(len(sound) * RATE / rate)
    bins = np.fft.rfft(sound.astype(np.float64))
    found: npt.NDArray[np.float64] = np.fft.irfft(bins[: count // 2 + 1], n=count) * (count / len(sound))
    return found


class FidelityWatch:
    """Measures every EVERY_S seconds in a thread of its own. Call `step` at each tick."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "verdigris-fidelity")
        self._running: Future[Fidelity] | None = None
        self._due, self._path = 0.0, ""
        self.found = Fidelity()

    def step(self, read: Read, path: str, rate: int, now: float) -> Fidelity:
        """Return the latest loss of `path`, a or b, and begin the next measurement when it is due."""
        if path != self._path:
            self.reset(path)
        if self._running and self._running.done():
            self.found, self._running = self._running.result(), None
        if self._running is None and now >= self._due:
            self._due = now + EVERY_S
            dry, wet = (read(name, ATTACKS_S).copy() for name in ("dry", path))
            self._running = self._pool.submit(measure, dry, wet, rate)
        return self.found

    def reset(self, path: str = "") -> None:
        """Forget the result, as when the codec changes."""
        if self._running:
            self._running.cancel()
        self._running, self._path, self.found = None, path, Fidelity()

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)
