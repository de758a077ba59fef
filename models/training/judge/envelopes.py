"""Envelopes: correlation of band energies every 10 ms, the property to which mel distances react."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.training.judge.short_time import Signal, band_edges, band_sums, decibels, spectra

WINDOW, HOP = 1024, 480
FIRST, LAST, COUNT = 3, 340, 22  # bins of the lowest and highest edge (140 Hz, 16 kHz), edges
RANGE, LOWEST = 50.0, 70.0  # dB below a band's maximum that are compared, and where the output is cut off
FLOOR = 1e-8  # of a full-scale sine's power, added to both: quieter bands are not heard
LEAST = 50  # frames of a band
STEADY = 1.0  # dB; a band whose level deviates less has no envelope to follow


def envelope_correlation(reference: Signal, degraded: Signal) -> float | None:
    """Return the mean correlation of the bands' levels in dB; None if no band moves.

    Both signals are mono, of one length and aligned in time.
    """
    edges = band_edges(FIRST, LAST, COUNT)
    before, after = (
        decibels(band_sums(np.abs(spectra(x, WINDOW, HOP) * (2 / WINDOW)) ** 2, edges), FLOOR)
        for x in (reference, degraded)
    )
    found = [_correlation(before[:, band], after[:, band]) for band in range(before.shape[1])]
    held = [value for value in found if value is not None]
    return float(np.mean(held)) if held else None


def _correlation(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> float | None:
    top = before.max(initial=-np.inf)
    audible = before > top - RANGE
    if audible.sum() < LEAST or before[audible].std() < STEADY:
        return None
    kept = np.maximum(after[audible], top - LOWEST)
    return float(np.corrcoef(before[audible], kept)[0, 1]) if kept.std() > 1e-3 else 0.0
