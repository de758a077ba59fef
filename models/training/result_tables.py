"""Tables of `verdigris evaluate` as Markdown, and its results as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, float]  # nan where a measure is missing


@dataclass(frozen=True)
class Column:
    """One metric: its key in rows, its heading, its explanation, and its number of decimals."""

    key: str
    heading: str
    meaning: str
    digits: int = 2


SIGNAL = (
    Column("kbit/s", "kbit/s", "bit rate"),
    Column("mel", "mel ↓", "mean over DAC's seven scales of the L1 distance of log10 mel magnitudes"),
    Column("stft", "STFT ↓", "the same of all bins, windows of 2048 and 512 samples"),
    Column("visqol", "ViSQOL ↑", "ViSQOL v3, audio mode, mean of both channels; clips under 1.5 s are left out"),
    Column("si_sdr", "SI-SDR dB ↑", "scale-invariant signal-to-distortion ratio at the best lag of ±16 samples"),
    Column("level", "level dB", "RMS of the output above that of the original"),
    Column(
        "pitch", "pitch ↑", "part of the voiced 10 ms whose pitch (CREPE tiny) is within 50 cents, single voices only"
    ),
    Column("joins", "joins", "energy of the second difference within 4 samples of frame joins over that elsewhere"),
    Column("x_rt", "× RT ↓", "seconds of computing for a second of sound"),
)
HEARING = (
    Column(
        "tones_low",
        "tones 80–470 Hz ↑",
        "part of the height of the original's spectral peaks that is left; noise has 0",
    ),
    Column("tones_mid", "tones 470–2000 ↑", "the same from 470 to 2000 Hz"),
    Column("tones_high", "tones 2000–8000 ↑", "the same from 2000 to 8000 Hz"),
    Column("lines_low", "lines 80–470 Hz ↑", "tones, each peak weighted by its level: 1 within 3 dB, 0 from 15 dB on"),
    Column("lines_mid", "lines 470–2000 ↑", "the same from 470 to 2000 Hz"),
    Column("lines_high", "lines 2000–8000 ↑", "the same from 2000 to 8000 Hz"),
    Column("pre_echo", "pre-echo dB ↓", "energy from 25 to 3 ms before attacks, more than the original's", 1),
    Column(
        "rise", "rise ms", "median time in which attacks rise from 5 to 50 % of their energy; best is the original's", 1
    ),
    Column(
        "coherence", "coherence error ↓", "error of the inter-channel coherence in 19 bands; none for a mono original"
    ),
    Column("side", "side dB ↓", "size of the error of the side-to-mid level, which counts from -30 dB on", 1),
    Column("envelope", "envelope ↑", "correlation of 10 ms band levels, to which mel distances react"),
    Column(
        "frechet",
        "Fréchet ↓",
        "Fréchet distance over all clips of musicnn's features (mono, up to 8 kHz); not FAD, which uses VGGish",
    ),
)
COLUMNS = (*SIGNAL, *HEARING)
ORIGINAL = "original"


def means(rows: Sequence[Row]) -> Row:
    """Return each column's mean over the clips that have it; of the side's error, the mean size."""
    found = {}
    for key in (column.key for column in COLUMNS):
        held = [abs(row[key]) if key == "side" else row[key] for row in rows if not math.isnan(row.get(key, math.nan))]
        found[key] = sum(held) / len(held) if held else math.nan
    return found


def markdown(rows: dict[str, Row], columns: Sequence[Column] = COLUMNS) -> str:
    """Return a Markdown table; a dash stands for a missing value."""
    lines = ["| codec | " + " | ".join(c.heading for c in columns) + " |", "|---|" + "--:|" * len(columns)]
    lines += [f"| {name} | " + " | ".join(cell(row, column) for column in columns) + " |" for name, row in rows.items()]
    return "\n".join(lines)


def tables(found: dict[str, Any]) -> str:
    """Return both Markdown tables of the results of `evaluate`."""
    return markdown(found["rows"], SIGNAL) + "\n\n" + markdown(hearing_rows(found), HEARING)


def hearing_rows(found: dict[str, Any]) -> dict[str, Row]:
    """Return the rows of the second table: the original, which has a rise only, and every run."""
    rises = [row["reference_rise"] for row in next(iter(found["clips"].values())).values()]
    held = [rise for rise in rises if not math.isnan(rise)]
    return {ORIGINAL: {"rise": sum(held) / len(held)} if held else {}, **found["rows"]}


def cell(row: Row, column: Column) -> str:
    """Return a value as it is printed."""
    value = row.get(column.key, math.nan)
    return "-" if math.isnan(value) else f"{value:.{column.digits}f}"


def to_json(found: Any) -> str:
    """Return nested dicts and lists as JSON; values that are not finite become null."""
    return json.dumps(_finite(found), indent=1, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
