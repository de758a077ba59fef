"""Console view: levels, latency, load and dropouts of a session.

It reads the timeline. On a terminal it redraws a live picture; elsewhere it prints a line every few
seconds. A console that cannot be written to is dropped, and the session goes on.
"""

from __future__ import annotations

import sys
import time
from typing import TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from realtime.engine.engine import Engine
from realtime.system.console_stream import ConsoleStream
from realtime.timeline.dropout_log import HeardPath, stands_in
from realtime.timeline.layout import FILL_SAMPLES, SLOTS, Field
from realtime.timeline.peak_meter import FLOOR_DB, peak_db

COLOURS = {"dry": "white", "a": "deep_sky_blue1", "b": "orange1", "delta": "hot_pink", "monitor": "white"}
LINE_EVERY_S = 5.0


def latency_line(engine: Engine) -> str:
    """Return the latency L and the terms of its sum as text."""
    terms = " + ".join(f"{name} {value}" for name, value in engine.plan.terms.items() if value)
    return f"latency {engine.plan.latency} samples = {engine.plan.milliseconds:.1f} ms = {terms}"


class View:
    """Display of one stream until closed. Call `update` from the control thread."""

    def __init__(self, engine: Engine, seconds: float | None) -> None:
        self._engine, self._seconds = engine, seconds
        self.monitor = "a"
        self._heard_path = HeardPath(engine.timeline)
        self._heard = "a"
        self._filled = self._fill_samples()  # at the last status line
        self._stream = ConsoleStream(sys.stdout)
        self._console = Console(
            file=cast(TextIO, self._stream), highlight=False, markup=False, emoji=False, soft_wrap=True
        )
        self._live: Live | None = None
        self._line_due = time.perf_counter() + LINE_EVERY_S
        self._console.print(latency_line(engine))
        if self._stream.isatty():
            self._live = Live(console=self._console, auto_refresh=False, transient=False)
            self._live.start()

    def update(self) -> None:
        """Redraw, or print a status line if one is due."""
        if self._stream.error:
            return
        self._heard = self._heard_path.poll(self._engine.parameters)
        if self._live:
            self._live.update(self._picture(), refresh=True)
        elif time.perf_counter() >= self._line_due:
            self._line_due += LINE_EVERY_S
            self._console.print(self._status() + self._stand_ins())

    def say(self, message: str) -> None:
        """Print a line that stays above the live picture."""
        self._console.print(message)

    def close(self) -> None:
        """End the live picture and restore the terminal."""
        if self._live:
            self._live.stop()
        self._stream.finish()

    @property
    def error(self) -> Exception | None:
        """Reason why the console was dropped; None while it is written."""
        return self._stream.error

    def _status(self) -> str:
        engine, snapshot = self._engine, self._engine.snapshot()
        played = engine.timeline.load(Field.PLAYED_END) / engine.settings.rate
        missed = " ".join(f"{kind} {count}" for kind, count in engine.dropouts().items())
        return (
            f"{played:6.1f} s  hearing {self._heard.upper()}  {snapshot.load[0]:.3f} × RT "
            f"(worst {snapshot.load[2]:.3f})  dropouts: {missed}"
        )

    def _fill_samples(self) -> list[int]:
        return [self._engine.timeline.load(field) for field in FILL_SAMPLES]

    def _stand_ins(self) -> str:
        """Return for how long dry or silence stood in for a slot since the last line, if it did."""
        before, self._filled = self._filled, self._fill_samples()
        seconds = [(now - then) / self._engine.settings.rate for now, then in zip(self._filled, before, strict=True)]
        parts = [f"{name.upper()} {length:.2f} s" for name, length in zip(SLOTS, seconds, strict=True) if length]
        return f"  {self._engine.parameters['fill']} for " + ", ".join(parts) if parts else ""

    def _picture(self) -> RenderableType:
        engine, snapshot = self._engine, self._engine.snapshot()
        table = Table.grid(padding=(0, 2))
        rows = [("dry", "", "")]
        for playing in engine.playing:
            name = SLOTS[playing.slot]
            coded = snapshot.coded[playing.slot]
            rate = f"{snapshot.bitrate[playing.slot]:.1f} kbit/s" + (f" ({coded:.1f} coded)" if coded else "")
            rows.append((name, f"{playing.codec} {playing.path}", rate))
        for name, codec, bitrate in rows:
            db = peak_db(engine.timeline, engine.plan.latency, name)
            bar = ProgressBar(total=-FLOOR_DB, completed=db - FLOOR_DB, width=30, complete_style=COLOURS[name])
            heard = ""
            if name == self.monitor:
                heard = f"◀ {self._heard}" if stands_in(self._heard) else "◀ heard"
            table.add_row(Text(name.upper(), style=COLOURS[name]), bar, f"{db:6.1f} dBFS", codec, bitrate, heard)
        lines: list[RenderableType] = [table, Text(self._status())]
        if self._seconds:
            played = engine.timeline.load(Field.PLAYED_END) / engine.settings.rate
            lines.append(ProgressBar(total=self._seconds, completed=min(played, self._seconds), width=60))
        return Group(*lines)
