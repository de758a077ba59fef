"""How loud dry, A, B and what is heard are, and the level match that follows it. Beside the audio, never in it.

What is compared is the same stretch of input: all rings are read up to the sample that is heard now. While `match`
follows, `a.match` and `b.match` are set to what makes the slot as loud as dry; by steps, so that nothing creeps.
"""

from __future__ import annotations

from realtime.engine import Engine
from realtime.loudness import SILENCE, Loudness
from realtime.params import PARAMETERS
from realtime.tail import Tail
from realtime.timeline import SLOTS, Field

WINDOW_S = 10.0  # over which levels are matched
STEP_DB = 0.5  # a match that is off by less stays
EVERY_S = 1.0
LEAST = -60.0  # LUFS: what is less is not matched to


class Match:
    """Call `poll` some 10 times a second, from one control thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine, timeline = engine, engine.timeline
        start = timeline.load(Field.PLAYED_END)
        latency, used = timeline[Field.LATENCY], timeline[Field.SLOTS]
        names = ["dry", *(name for slot, name in enumerate(SLOTS) if used >> slot & 1), "monitor"]
        self._late = {name: latency if name == "monitor" else 0 for name in names}
        self._tails = {name: Tail(timeline, name, max(0, start - latency) + late) for name, late in self._late.items()}
        self._meters = {
            name: Loudness(timeline[Field.RATE], timeline[Field.CHANNELS], WINDOW_S) for name in self._tails
        }
        self._due = timeline[Field.RATE]  # samples

    def poll(self) -> None:
        """Take in what has been heard; set the match if it is to follow."""
        engine, timeline = self._engine, self._engine.timeline
        now = timeline.load(Field.PLAYED_END) - timeline[Field.LATENCY]
        for name, tail in self._tails.items():
            self._meters[name].add(tail.read(max(0, now) + self._late[name]))
        engine.loudness = {name: meter.short_term for name, meter in self._meters.items()}
        if engine.values["match"] == "follow" and now >= self._due:
            self._due = now + round(EVERY_S * timeline[Field.RATE])
            self._follow()

    def _follow(self) -> None:
        wanted = self._meters["dry"].integrated
        for slot in SLOTS:
            found = self._meters[slot].integrated if slot in self._meters else SILENCE
            if min(wanted, found) < LEAST:
                continue
            name = f"{slot}.match"
            db = PARAMETERS[name].parse(round(wanted - found, 1), clamp=True)
            if abs(db - self._engine.values[name]) >= STEP_DB:
                self._engine.set(name, db)
