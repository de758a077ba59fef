"""Scores of one output against its original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from models.training.judge.align import align
from models.training.judge.attacks import attacks
from models.training.judge.envelopes import envelope_correlation
from models.training.judge.stereo import image
from models.training.judge.tones import tones

SEARCH = 4000  # samples of delay that are looked for


@dataclass(frozen=True)
class Scores:
    """Measures of an output.

    None where the original holds too little to measure. Best values in brackets.
    """

    tones_low: float | None  # part of the spectral peaks' height that is left, 80-470 Hz (1)
    tones_mid: float | None  # 470-2000 Hz
    tones_high: float | None  # 2000-8000 Hz
    lines_low: float | None  # the same, each peak weighted by its level error (1)
    lines_mid: float | None
    lines_high: float | None
    pre_echo: float | None  # dB before attacks, more than the original's (0)
    rise: float | None  # ms, median rise of attacks (the original's)
    reference_rise: float | None  # ms, the original's
    coherence: float | None  # error of inter-channel coherence, 0-1 (0); None for a mono original
    side: float | None  # dB of side to mid, more than the original's (0)
    envelope: float | None  # correlation of 10 ms band levels (1)
    attacks: float | None  # number of attacks in the original
    delay: float | None  # samples that were removed before
    level: float | None  # dB above the original that were removed before

    def as_dict(self) -> dict[str, float | None]:
        """Return the measures by name."""
        return asdict(self)


def judge(reference: npt.NDArray[Any], degraded: npt.NDArray[Any], search: int = SEARCH) -> Scores:
    """Measure `degraded` against `reference`, both floats [2, n] at 48 kHz; lengths may differ.

    A delay of up to ± `search` samples and a gain are removed first. ValueError names arrays of
    another shape.
    """
    for name, audio in (("reference", reference), ("degraded", degraded)):
        if audio.ndim != 2 or audio.shape[0] != 2:
            raise ValueError(f"{name} has the shape {list(audio.shape)}; give [2, samples] at 48 kHz.")
    before, after, delay, level = align(reference, degraded, search)
    mono, mono_after = before.mean(0), after.mean(0)
    low, mid, high = tones(mono, mono_after)
    hits = attacks(mono, mono_after)
    stereo = image(before, after)
    return Scores(
        low.kept, mid.kept, high.kept, low.level, mid.level, high.level,
        hits.pre_echo, hits.rise, hits.reference_rise, stereo.coherence_error, stereo.side,
        envelope_correlation(mono, mono_after), hits.count, delay, level,
    )  # fmt: skip


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Return the mean of each measure over the clips that have it.

    Of the side, the mean size of the error.
    """
    means = []
    for field in fields(Scores):
        held = [value for value in (getattr(each, field.name) for each in scores) if value is not None]
        held = [abs(value) for value in held] if field.name == "side" else held
        means.append(float(np.mean(held)) if held else None)
    return Scores(*means)
