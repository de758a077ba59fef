"""Alignment of an output with its original in time and level, so that neither a delay nor a gain is
measured.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.training.judge.short_time import Stereo

LEVEL = 0.1  # root mean square of both signals afterwards
CLEAR = 0.1  # correlation coefficient from which a lag counts as a delay


def align(reference: npt.NDArray[Any], degraded: npt.NDArray[Any], search: int) -> tuple[Stereo, Stereo, int, float]:
    """Return both signals aligned, the delay in samples and the level in dB.

    The signals [2, n] are cut to their common part and have one level. A positive delay means that
    `degraded` is late; it is searched within ± `search` samples. The level is that of `degraded`
    above `reference`.
    """
    shared = min(reference.shape[1], degraded.shape[1])
    before, after = (np.asarray(x, np.float64)[:, :shared] for x in (reference, degraded))
    delay = _delay(before.mean(0), after.mean(0), search) if search else 0
    before, after = before[:, max(-delay, 0) :], after[:, max(delay, 0) :]
    count = min(before.shape[1], after.shape[1])
    before, after = before[:, :count], after[:, :count]
    sizes = [max(float(np.sqrt((x**2).mean())) if count else 0.0, 1e-9) for x in (before, after)]
    return before * (LEVEL / sizes[0]), after * (LEVEL / sizes[1]), delay, 20 * float(np.log10(sizes[1] / sizes[0]))


def _delay(before: npt.NDArray[Any], after: npt.NDArray[Any], search: int) -> int:
    """Return the lag of the highest correlation, 0 if none is clear."""
    size = 2 * len(before)
    if size <= 2 * search:
        return 0
    correlation = np.fft.irfft(np.fft.rfft(after, size) * np.fft.rfft(before, size).conj(), size)
    lags = np.r_[0 : search + 1, -search:0]
    best = int(lags[np.argmax(correlation[lags])])
    return best if correlation[best] > CLEAR * np.sqrt((before @ before) * (after @ after)) else 0
