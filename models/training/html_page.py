"""HTML page of `verdigris evaluate`: tables, spectrograms of every clip, and an explanation of each
column.

The page embeds its pictures, has no script, and needs no network.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from html import escape
from typing import Any

from models.codec import Audio
from models.training.pictures import HIGH, LOW, SECONDS_DRAWN, long_spectrogram, png
from models.training.result_tables import HEARING, ORIGINAL, SIGNAL, Column, Row, cell, hearing_rows

TICKS = (100, 1000, 10000)  # Hz
CAPTION = {"tones_low": "tones", "tones_mid": "/", "tones_high": "/", "pre_echo": "pre-echo dB", "side": "side dB"}
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 1500px; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0; font-size: 13px }
th, td { padding: 3px 8px; text-align: right; border-bottom: 1px solid #ddd; vertical-align: bottom }
th:first-child, td:first-child { text-align: left; white-space: nowrap }
.clip { display: flex; flex-wrap: wrap; gap: 12px }
figure { margin: 0; position: relative }
img { display: block; width: 280px; height: 256px }
figcaption { width: 280px; font-size: 12px }
i { position: absolute; left: 0; border-top: 1px solid #fc08; padding: 0 3px; font: 10px sans-serif; color: #fc0 }
dt { font-weight: 600 } dd { margin: 0 0 .4rem 1.5rem }
"""


class Report:
    """Pictures of each clip, collected during evaluation, and the page with them."""

    def __init__(self) -> None:
        self._pictures: dict[str, dict[str, bytes]] = {}  # by clip and run
        self._whites: dict[str, float] = {}

    def add(self, run: str, clip: str, reference: Audio, degraded: Audio) -> None:
        """Draw a result, and the original the first time; sounds are float32 [2, n] at 48 kHz."""
        if clip not in self._pictures:
            picture, self._whites[clip] = long_spectrogram(reference)
            self._pictures[clip] = {ORIGINAL: png(picture)}
        self._pictures[clip][run] = png(long_spectrogram(degraded, self._whites[clip])[0])

    def page(self, found: dict[str, Any]) -> str:
        """Return the HTML page of the results of `evaluate`."""
        clips = [
            f"<h2>{escape(clip)}</h2>\n<div class='clip'>{''.join(_figures(clip, runs, found))}</div>"
            for clip, runs in self._pictures.items()
        ]
        return (
            "<!doctype html>\n<html lang='en'><meta charset='utf-8'><title>verdigris evaluate</title>"
            f"<style>{STYLE}</style>\n<h1>verdigris evaluate</h1>\n<p>Means over {len(clips)} clips; a dash is a "
            f"missing value. {escape(found['machine'])}.</p>\n{_table(found['rows'], SIGNAL)}\n"
            f"{_table(hearing_rows(found), HEARING)}\n<p>The pictures show the first {SECONDS_DRAWN:g} s of each clip, "
            f"mean of both channels, {LOW:g} Hz to {HIGH / 1000:g} kHz, in windows of 171 ms: a steady partial is a "
            "thin line, a noisy one a mottled band, and a hit is wider than it sounds.</p>\n"
            f"{chr(10).join(clips)}\n<h2>Columns</h2>\n<dl>{_explanations()}</dl>\n</html>\n"
        )


def _figures(clip: str, runs: dict[str, bytes], found: dict[str, Any]) -> list[str]:
    ticks = "".join(
        f"<i style='top:{256 * math.log(HIGH / hertz) / math.log(HIGH / LOW):.0f}px'>{hertz}</i>" for hertz in TICKS
    )
    figures = []
    for run, picture in runs.items():
        numbers = "" if run == ORIGINAL else _caption(found["clips"][run][clip])
        figures.append(
            f"<figure><img alt='{escape(run)}' src='data:image/png;base64,{base64.b64encode(picture).decode()}'>{ticks}"
            f"<figcaption><b>{escape(run)}</b>{numbers}</figcaption></figure>"
        )
    return figures


def _caption(row: Row) -> str:
    """Return the numbers of one clip as text; missing ones are left out."""
    held = [c for c in HEARING if c.key in CAPTION and not math.isnan(row[c.key])]
    return "".join(f" {CAPTION[c.key]} {cell(row, c)}" for c in held)


def _table(rows: dict[str, Row], columns: Sequence[Column]) -> str:
    head = "".join(f"<th title='{escape(c.meaning)}'>{escape(c.heading)}</th>" for c in columns)
    body = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{cell(row, c)}</td>' for c in columns)}</tr>\n"
        for name, row in rows.items()
    )
    return f"<table><tr><th>codec</th>{head}</tr>\n{body}</table>"


def _explanations() -> str:
    return "\n".join(f"<dt>{escape(c.heading)}</dt><dd>{escape(c.meaning)}</dd>" for c in (*SIGNAL, *HEARING))
