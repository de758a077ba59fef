"""Sample-rate conversion in a stream: polyphase windowed-sinc, aligned to the sample.

Output sample m lies at input time m * rate_in / rate_out exactly, so that indices stay whole numbers across rates
(law 1). The only latency is the half-width of the kernel. (soxr's low-latency mode was measured at 0.2 to 1.9 samples
off this grid, and its aligned mode keeps 21 ms back: docs/architecture.md.)

    Kaiser window and its length: Oppenheim & Schafer, Discrete-Time Signal Processing, 7.5.3.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numba import njit

STOPBAND_DB = 100.0
PASSBAND = 0.907  # of the lower Nyquist frequency: 20 kHz at 44.1 kHz; what lies above may fold back above it


@lru_cache(maxsize=8)
def kernel(phases: int, cutoff: float) -> npt.NDArray[np.float64]:
    """[phases, taps]: one row of taps for each phase of an input sample; taps are even in number.

    `cutoff` is the lower Nyquist frequency, in units of the input's.
    """
    width = 2 * (1.0 - PASSBAND) * cutoff  # transition, centred on the cutoff
    half = math.ceil((STOPBAND_DB - 7.95) / (2.285 * math.pi * width) / 2)
    beta = 0.1102 * (STOPBAND_DB - 8.7)
    offsets = (
        np.arange(-half + 1, half + 1)[None, :] - (np.arange(phases) / phases)[:, None]
    )  # input samples from the output
    window = np.i0(beta * np.sqrt(np.maximum(1 - (offsets / half) ** 2, 0))) / np.i0(beta)
    taps = cutoff * np.sinc(cutoff * offsets) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True))  # gain 1 at 0 Hz in every phase


@njit(cache=True, nogil=True)
def _convolve(x, first, start, count, up, down, kernel, out):  # type: ignore[no-untyped-def]
    """Outputs [start, start + count) from x [C, n], whose first sample is input sample `first`."""
    taps = kernel.shape[1]
    for m in range(start, start + count):
        position, phase = m * down // up, m * down % up
        left = position - taps // 2 + 1 - first
        for c in range(x.shape[0]):
            total = 0.0
            for t in range(taps):
                total += kernel[phase, t] * x[c, left + t]
            out[c, m - start] = total


class Resampler:
    """One stream from rate_in to rate_out, Hz. One thread at a time."""

    def __init__(self, rate_in: int, rate_out: int, channels: int) -> None:
        divisor = math.gcd(rate_in, rate_out)
        self.up, self.down = rate_out // divisor, rate_in // divisor
        self._kernel = kernel(self.up, min(1.0, self.up / self.down))
        self.half = self._kernel.shape[1] // 2
        self.channels = channels
        self.reset()

    def reset(self) -> None:
        """Start anew at sample 0; before it there was silence."""
        self._held = np.zeros((self.channels, self.half), np.float32)  # input from sample _first on
        self._first = -self.half
        self._next = 0  # output sample to make next

    @property
    def latency(self) -> int:
        """Input samples beyond an output's own time that must have come in before it is made."""
        return int(self.half)

    def process(self, audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Take [C, n] at rate_in, give the [C, m] at rate_out that can be told by now."""
        x = np.concatenate([self._held, audio], axis=1)
        end = self._first + x.shape[1]  # input is known below this
        # output m needs input up to floor(m * down / up) + half
        ready = max(((end - self.half) * self.up - 1) // self.down + 1, self._next) if end > self.half else 0
        out = np.empty((self.channels, ready - self._next), np.float32)
        _convolve(x, self._first, self._next, out.shape[1], self.up, self.down, self._kernel, out)
        self._next = ready
        keep = min(ready * self.down // self.up - self.half + 1, end)
        self._held, self._first = x[:, keep - self._first :].copy(), keep
        return out
