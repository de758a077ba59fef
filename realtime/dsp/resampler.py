"""Streaming sample-rate conversion: polyphase windowed sinc, aligned to the sample.

Output sample m is at input time m * rate_in / rate_out exactly, so that indices stay integers
across rates. The only latency is the half-width of the kernel. (soxr's variable-rate
mode is off this grid, and its aligned mode holds back much more: docs/decisions.md.)

    Kaiser window and its length: Oppenheim & Schafer, Discrete-Time Signal Processing, 7.5.3.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numba import njit

STOPBAND_DB = 100.0
TABLE = 1 << 20  # coefficients; a ratio that needs more phases is interpolated between PHASES of them
PHASES = 512  # linear interpolation between so many is off by (pi / 512)^2 / 8, -106 dB
PASSBAND = 0.907  # of the lower Nyquist frequency (20 kHz at 44.1 kHz); content above may alias above it


def half_width(cutoff: float) -> int:
    """Return half the filter's length in input samples."""
    width = 2 * (1.0 - PASSBAND) * cutoff  # transition, centred on the cutoff
    return math.ceil((STOPBAND_DB - 7.95) / (2.285 * math.pi * width) / 2)


@lru_cache(maxsize=8)
def kernel(phases: int, cutoff: float, rows: int | None = None) -> npt.NDArray[np.float64]:
    """Return the filter bank [phases, taps], or `rows` rows of it, one per phase of an input sample; taps is even.

    `cutoff` is the lower Nyquist frequency divided by the input's.
    """
    half = half_width(cutoff)
    beta = 0.1102 * (STOPBAND_DB - 8.7)
    offsets = (
        np.arange(-half + 1, half + 1)[None, :] - (np.arange(rows or phases) / phases)[:, None]
    )  # input samples from the output
    window = np.i0(beta * np.sqrt(np.maximum(1 - (offsets / half) ** 2, 0))) / np.i0(beta)
    taps = cutoff * np.sinc(cutoff * offsets) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True))  # gain 1 at 0 Hz in every phase


@njit(cache=True, nogil=True)
def _convolve(x, first, start, count, up, down, kernel, out):  # type: ignore[no-untyped-def]
    """Write outputs [start, start + count) to out; x [C, n] begins at input sample `first`."""
    taps = kernel.shape[1]
    for m in range(start, start + count):
        position, phase = m * down // up, m * down % up
        left = position - taps // 2 + 1 - first
        for c in range(x.shape[0]):
            total = 0.0
            for t in range(taps):
                total += kernel[phase, t] * x[c, left + t]
            out[c, m - start] = total


@njit(cache=True, nogil=True)
def _convolve_between(x, first, start, count, up, down, kernel, out):  # type: ignore[no-untyped-def]
    """Like `_convolve`, for a kernel [phases + 1, taps] with fewer phases than `up`."""
    phases, taps = kernel.shape[0] - 1, kernel.shape[1]
    for m in range(start, start + count):
        position, remainder = m * down // up, m * down % up
        phase = remainder * phases // up
        part = remainder * phases / up - phase
        left = position - taps // 2 + 1 - first
        for c in range(x.shape[0]):
            before, after = 0.0, 0.0
            for t in range(taps):
                before += kernel[phase, t] * x[c, left + t]
                after += kernel[phase + 1, t] * x[c, left + t]
            out[c, m - start] = before + part * (after - before)


class Resampler:
    """Resampler of one stream from rate_in to rate_out, Hz. One thread at a time."""

    def __init__(self, rate_in: int, rate_out: int, channels: int) -> None:
        divisor = math.gcd(rate_in, rate_out)
        self.up, self.down = rate_out // divisor, rate_in // divisor
        cutoff = min(1.0, self.up / self.down)
        self.half = half_width(cutoff)
        if self.up * 2 * self.half <= TABLE:
            self.kernel, self._run = kernel(self.up, cutoff, self.up), _convolve
        else:
            self.kernel, self._run = kernel(PHASES, cutoff, PHASES + 1), _convolve_between
        self.channels = channels
        self.reset()

    def reset(self) -> None:
        """Restart at sample 0, with silence before it."""
        self._held = np.zeros((self.channels, self.half), np.float32)  # input from sample _first on
        self._first = -self.half
        self._next = 0  # next output sample

    @property
    def latency(self) -> int:
        """Input samples after an output's own time that are needed to compute it."""
        return int(self.half)

    def process(self, audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Take samples [C, n] at rate_in; return the complete output samples [C, m] at rate_out."""
        x = np.concatenate([self._held, audio], axis=1)
        end = self._first + x.shape[1]  # input is known below this
        # output m needs input up to floor(m * down / up) + half
        ready = max(((end - self.half) * self.up - 1) // self.down + 1, self._next) if end > self.half else 0
        out = np.empty((self.channels, ready - self._next), np.float32)
        self._run(x, self._first, self._next, out.shape[1], self.up, self.down, self.kernel, out)
        self._next = ready
        keep = min(ready * self.down // self.up - self.half + 1, end)
        self._held, self._first = x[:, keep - self._first :].copy(), keep
        return out
