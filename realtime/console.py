"""The console view: what is heard, how late, how hard the machine works, what was missed.

It reads the timeline like anyone from outside; it draws on a terminal, and says a line now and then elsewhere.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from realtime.engine import Engine
from realtime.tail import RINGS
from realtime.timeline import SLOTS, Field

METER_S = 0.05
FLOOR_DB = -60.0
COLOURS = {"dry": "white", "a": "deep_sky_blue1", "b": "orange1", "delta": "hot_pink", "monitor": "white"}
LINE_EVERY_S = 5.0


def peak_db(engine: Engine, name: str) -> float:
    """Peak of the newest METER_S of a ring, dBFS, no lower than FLOOR_DB."""
    timeline = engine.timeline
    count = int(METER_S * timeline[Field.RATE])
    end = timeline.load(Field.PLAYED_END) - (0 if name == "monitor" else engine.plan.latency)
    if end < count:
        return FLOOR_DB
    audio = np.empty((timeline[Field.CHANNELS], count), np.float32)
    timeline.read(RINGS[name], end - count, audio)
    return max(FLOOR_DB, float(20 * np.log10(np.abs(audio).max() + 1e-9)))


def latency_line(engine: Engine) -> str:
    """L, and the sum that makes it."""
    terms = " + ".join(f"{name} {value}" for name, value in engine.plan.terms.items() if value)
    return f"latency {engine.plan.latency} samples = {engine.plan.milliseconds:.1f} ms = {terms}"


class View:
    """Draws until closed. `update` from the control thread."""

    def __init__(self, engine: Engine, seconds: float | None) -> None:
        self._engine, self._seconds = engine, seconds
        self.monitor = "a"
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._live: Live | None = None
        self._line_due = time.monotonic() + LINE_EVERY_S
        self._console.print(latency_line(engine))
        if sys.stdout.isatty():
            self._live = Live(console=self._console, auto_refresh=False, transient=False)
            self._live.start()

    def update(self) -> None:
        """Draw what is now."""
        if self._live:
            self._live.update(self._picture(), refresh=True)
        elif time.monotonic() >= self._line_due:
            self._line_due += LINE_EVERY_S
            self._console.print(self._status())

    def say(self, message: str) -> None:
        """A line that stays."""
        self._console.print(message)

    def close(self) -> None:
        """Leave the terminal as it was found."""
        if self._live:
            self._live.stop()

    def _status(self) -> str:
        engine, snapshot = self._engine, self._engine.snapshot()
        played = engine.timeline.load(Field.PLAYED_END) / engine.settings.rate
        missed = " ".join(f"{kind} {count}" for kind, count in engine.misses().items())
        return (
            f"{played:6.1f} s  hearing {self.monitor.upper()}  {snapshot.load[0]:.3f} × RT "
            f"(worst {snapshot.load[2]:.3f})  misses: {missed}"
        )

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
            db = peak_db(engine, name)
            bar = ProgressBar(total=-FLOOR_DB, completed=db - FLOOR_DB, width=30, complete_style=COLOURS[name])
            heard = "◀ heard" if name == self.monitor else ""
            table.add_row(Text(name.upper(), style=COLOURS[name]), bar, f"{db:6.1f} dBFS", codec, bitrate, heard)
        lines: list[RenderableType] = [table, Text(self._status())]
        if self._seconds:
            played = engine.timeline.load(Field.PLAYED_END) / engine.settings.rate
            lines.append(ProgressBar(total=self._seconds, completed=min(played, self._seconds), width=60))
        return Group(*lines)
