"""Measure the delay of a module: its response to seeded noise, correlated with that noise.

The response is the difference of two runs, with noise and with silence, whose random numbers are
the same: a module's own noise cancels. Where samples do not correlate, because a module keeps no
phase, the envelopes of noise that is switched on and off are compared. Where these do not correlate
either, the delay is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.codec import Audio

LEVEL = 0.25  # of the noise, root mean square
LEAST_SAMPLES = 24_576
BLOCKS = 4  # of the module, at least
LEAST_CORRELATION = 0.1  # of samples; below it the peak may be chance
LEAST_ENVELOPE_CORRELATION = 0.6
CHANCE = 8.0  # deviations of the correlation of unrelated noise
SMOOTHING = 128  # samples over which an envelope is averaged
GATE = 512  # samples for which the noise stays on or off

# whole signal [C, n] -> response [C, n] from the module's initial state, with the same seeds each time
Run = Callable[[Audio], Audio]


@dataclass(frozen=True)
class Delay:
    """Measured delay in samples, and how it was found: samples, envelopes or unknown."""

    samples: int
    found_by: str

    @property
    def is_exact(self) -> bool:
        """True if it was measured to the sample."""
        return self.found_by == "samples"

    def __str__(self) -> str:
        if self.is_exact:
            return f"{self.samples} samples, measured"
        if self.found_by == "envelopes":
            return f"about {self.samples} samples, by the envelopes: it does not keep the phase"
        return "unknown, planned as 0: its output does not follow its input"


def measure(run: Run, channels: int, block: int) -> Delay:
    """Return the delay of a module that is fed whole blocks; runs it four times."""
    length = block * max(BLOCKS, math.ceil(LEAST_SAMPLES / block))
    rng = np.random.default_rng(0)
    silence = run(np.zeros((channels, length), np.float32))
    noise = (LEVEL * rng.standard_normal(length)).astype(np.float32)
    samples, peak = _lag(noise, _response(run, noise, silence), length // 2)
    if peak > max(LEAST_CORRELATION, CHANCE / math.sqrt(length)):
        return Delay(samples, "samples")
    gates = np.repeat(rng.random(math.ceil(length / GATE)) < 0.5, GATE)[:length]
    gated = (noise * gates).astype(np.float32)
    response = _response(run, gated, silence)
    samples, peak = _lag(_envelope(gated), _envelope(response), length // 2)
    if peak > LEAST_ENVELOPE_CORRELATION:
        return Delay(samples, "envelopes")
    return Delay(0, "unknown")


def _response(run: Run, signal: npt.NDArray[np.float32], silence: Audio) -> npt.NDArray[np.float64]:
    """Return the response [n] to a signal [n], the mean of the channels."""
    made = run(np.ascontiguousarray(np.broadcast_to(signal, (len(silence), signal.size))))
    return np.asarray((made.astype(np.float64) - silence).mean(axis=0))


def _envelope(signal: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the smoothed magnitude without its mean, with 0 outside the signal."""
    window = np.hanning(SMOOTHING + 2)
    smooth = np.convolve(np.abs(signal.astype(np.float64)), window / window.sum(), "same")
    return np.asarray(smooth - smooth.mean())


def _lag(signal: npt.NDArray[np.floating], response: npt.NDArray[np.float64], most: int) -> tuple[int, float]:
    """Return the lag from 0 to `most` with the largest correlation, and its absolute value, 0 to 1."""
    energy = math.sqrt(float(np.square(signal, dtype=np.float64).sum() * np.square(response).sum()))
    if not energy:
        return 0, 0.0
    size = 2 * len(signal)
    spectrum = np.fft.rfft(response, size) * np.conj(np.fft.rfft(signal, size))
    found = np.abs(np.fft.irfft(spectrum, size)[: most + 1])
    lag = int(found.argmax())
    return lag, float(found[lag]) / energy
