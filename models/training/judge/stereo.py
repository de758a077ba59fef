"""Stereo: width of the output, and inter-channel coherence in each band, compared with the
original.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.training.judge.short_time import Stereo, band_edges, band_sums, spectra

WINDOW, HOP = 2048, 1024
SPAN = 8  # frames that a coherence is taken over
FIRST, COUNT = 4, 20  # first bin of the lowest band, edges of bands
MONO = -30.0  # dB of side to mid below which a sound counts as mono
LOST = 1e-4  # of the original's power below which a band of the output is left out: its coherence is rounding noise


@dataclass(frozen=True)
class Image:
    """Stereo image of the output compared with the original's."""

    coherence_error: float | None  # 0 to 1; None for a mono original, and where nothing of it is left
    side: float  # dB of side to mid, more than the original's


def image(reference: Stereo, degraded: Stereo) -> Image:
    """Compare the stereo images of two signals of one length, aligned in time and level."""
    before, after = side_level(reference), side_level(degraded)
    if before <= MONO or reference.shape[1] < WINDOW + (SPAN - 1) * HOP:
        return Image(None, after - before)
    (kept, left), (alike, power) = coherence(degraded), coherence(reference)
    weight = np.where(left > LOST * power, power**0.3, 0)
    total = float(weight.sum())
    error = float((weight * np.abs(kept - alike)).sum()) / total if total else None
    return Image(error, after - before)


def side_level(audio: Stereo) -> float:
    """Return the energy of the side against that of the mid, in dB, at least `MONO`."""
    mid, side = audio[0] + audio[1], audio[0] - audio[1]
    return max(10 * float(np.log10(((side**2).mean() + 1e-20) / ((mid**2).mean() + 1e-20))), MONO)


def coherence(audio: Stereo) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return (inter-channel coherence 0 to 1, power), both [frames, bands], over 8 frames of 43 ms."""
    left, right = (spectra(channel, WINDOW, HOP) / WINDOW for channel in audio)
    edges = band_edges(FIRST, left.shape[1] - 1, COUNT)
    crossed, lefts, rights = (
        _over_span(band_sums(product, edges))
        for product in (left * right.conj(), np.abs(left) ** 2, np.abs(right) ** 2)
    )
    return np.abs(crossed) / np.sqrt(lefts * rights + 1e-20), lefts + rights


def _over_span(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.lib.stride_tricks.sliding_window_view(values, SPAN, axis=0).sum(-1)
