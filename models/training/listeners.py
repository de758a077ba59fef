"""Judges from other packages, of the extra `evaluate`: ViSQOL's opinion, and CREPE's pitch. Both work offline.

Where one is not installed its column stays empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.codec import Audio
from models.training.crepe import load_crepe, track

SHORTEST = 72000  # samples; ViSQOL compares patches of about half a second
CENTS = 50.0  # a pitch is kept if it is nearer than this
CONFIDENT = 0.5  # CREPE's confidence above which a column of the reference counts as voiced


class Visqol:
    """ViSQOL v3 in audio mode (Apache-2.0, pure Python): MOS-LQO 1 ... 4.75 of the mean of both channels."""

    def __init__(self) -> None:
        from visqol import VisqolApi

        self._api: Any = VisqolApi()
        self._api.create(mode="audio")

    def __call__(self, reference: Audio, degraded: Audio) -> float:
        if reference.shape[1] < SHORTEST:
            return float("nan")
        a, b = (np.ascontiguousarray(x.mean(0), np.float64) for x in (reference, degraded))
        return float(self._api.measure_from_arrays(a, b, 48000).moslqo)


class Pitch:
    """CREPE's fundamental every 10 ms, and how much of it a codec keeps."""

    def __init__(self) -> None:
        self._network = load_crepe()

    def track(self, audio: Audio) -> tuple[npt.NDArray, npt.NDArray]:
        """(hertz, confidence) of audio at 48 kHz."""
        return track(self._network, audio, 48000)

    def kept(self, reference: tuple[npt.NDArray, npt.NDArray], degraded: Audio) -> float:
        """Raw pitch accuracy: part of the reference's voiced columns whose pitch is within 50 cents."""
        pitch, sure = reference
        found, _ = self.track(degraded)
        count = min(len(pitch), len(found))
        voiced = sure[:count] > CONFIDENT
        if not voiced.any():
            return float("nan")
        cents = 1200 * np.abs(np.log2(found[:count][voiced] / pitch[:count][voiced]))
        return float((cents < CENTS).mean())


def listener(kind: type[Any]) -> Any | None:
    """One of these, or None if its package is not installed."""
    try:
        return kind()
    except ImportError:
        return None
