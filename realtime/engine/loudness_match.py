"""Loudness match: measures dry, A, B and the monitor, and sets A's and B's gains to follow dry.

All rings are read up to the sample that is played now, so the same stretch of input is compared.
While the parameter `match` is "follow", `a.match` and `b.match` are set so that each slot is as
loud as dry. They move in steps of at least STEP_DB, so that levels do not creep.
"""

from __future__ import annotations

from realtime.dsp.loudness import SILENCE, Loudness
from realtime.engine.engine import Engine
from realtime.timeline.layout import SLOTS, Field
from realtime.timeline.ring_reader import RingReader

WINDOW_S = 10.0  # over which levels are compared
STEP_DB = 0.5  # a smaller error is left alone
INTERVAL_S = 1.0
MIN_LUFS = -60.0  # quieter signals are not matched


class LoudnessMatcher:
    """Loudness meters of an engine. Call `poll` some 10 times a second, from one control thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine, timeline = engine, engine.timeline
        start = timeline.load(Field.PLAYED_END)
        latency, used = timeline[Field.LATENCY], timeline[Field.SLOTS]
        names = ["dry", *(name for slot, name in enumerate(SLOTS) if used >> slot & 1), "monitor"]
        self._delay = {name: latency if name == "monitor" else 0 for name in names}
        self._readers = {
            name: RingReader(timeline, name, max(0, start - latency) + delay) for name, delay in self._delay.items()
        }
        self._meters = {name: Loudness(timeline[Field.RATE], timeline[Field.CHANNELS], WINDOW_S) for name in names}
        self._due = timeline[Field.RATE]  # input sample of the next adjustment

    def poll(self) -> None:
        """Measure the new samples and publish the loudness; adjust the match if it follows."""
        engine, timeline = self._engine, self._engine.timeline
        now = timeline.load(Field.PLAYED_END) - timeline[Field.LATENCY]
        for name, reader in self._readers.items():
            self._meters[name].add(reader.read(max(0, now) + self._delay[name]))
        engine.publish_loudness({name: meter.short_term for name, meter in self._meters.items()})
        if engine.parameters["match"] == "follow" and now >= self._due:
            self._due = now + round(INTERVAL_S * timeline[Field.RATE])
            self._follow()

    def _follow(self) -> None:
        target = self._meters["dry"].integrated
        for slot in SLOTS:
            found = self._meters[slot].integrated if slot in self._meters else SILENCE
            if min(target, found) < MIN_LUFS:
                continue
            name = f"{slot}.match"
            db = self._engine.table[name].parse(round(target - found, 1), clamp=True)
            if abs(db - self._engine.parameters[name]) >= STEP_DB:
                self._engine.set(name, db)
