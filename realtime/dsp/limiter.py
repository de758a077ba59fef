"""Look-ahead limiter for wet: bit-exact below full scale, never above it, LOOKAHEAD samples late.

The required gain of each sample is held as a minimum over the look-ahead and averaged over as many
samples. The gain is therefore reduced before the peak: an average of minima that all cover the peak
cannot exceed the peak's own requirement. Afterwards the gain recovers exponentially. Where nothing
exceeds full scale, every gain is exactly 1.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

LOOKAHEAD = 64  # samples
RELEASE_S = 0.1
_WINDOW = LOOKAHEAD + 1


@njit(cache=True, nogil=True)
def _gains(peaks, needs, held, gain, release, out):  # type: ignore[no-untyped-def]
    """Write the gains of the samples LOOKAHEAD earlier to out; return the held gain.

    needs, held [LOOKAHEAD + 1]: required and held gains, oldest first; both are updated.
    """
    for i in range(peaks.shape[0]):
        needs[:-1] = needs[1:]
        needs[-1] = 1.0 if peaks[i] <= 1.0 else 1.0 / peaks[i]
        lowest = needs.min()
        gain = lowest if lowest < gain else lowest + (gain - lowest) * release
        if gain > 0.99999:
            gain = 1.0
        held[:-1] = held[1:]
        held[-1] = gain
        out[i] = held.mean() if held.min() < 1.0 else 1.0
    return gain


class Limiter:
    """Limiter of one stream. One thread at a time."""

    def __init__(self, rate: int, channels: int) -> None:
        self._release = math.exp(-1.0 / (RELEASE_S * rate))
        self._channels = channels
        self.on = True
        self.reset()

    def reset(self) -> None:
        """Clear the delay line and the gains."""
        self._late = np.zeros((self._channels, LOOKAHEAD), np.float32)
        self._needs, self._held, self._gain = np.ones(_WINDOW), np.ones(_WINDOW), 1.0

    def process(self, audio: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the samples [C, n] limited and LOOKAHEAD late; the input must be finite."""
        joined = np.concatenate([self._late, audio], axis=1)
        self._late = joined[:, audio.shape[1] :].copy()
        out = joined[:, : audio.shape[1]]
        peaks = np.abs(audio).max(axis=0, initial=0.0)
        if peaks.max(initial=0.0) <= 1.0 and self._held.min() == 1.0 == self._needs.min():
            return out  # all gains are exactly 1
        gains = np.empty(peaks.shape[0])
        self._gain = _gains(peaks, self._needs, self._held, self._gain, self._release, gains)
        if not self.on:
            return out  # the gains were updated all the same, so that switching on is smooth
        limited = np.clip(out * gains.astype(np.float32), -1.0, 1.0)  # the product may round up by one bit
        return np.where(gains < 1.0, limited, out)
