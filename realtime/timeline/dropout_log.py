"""Stretches in which dry or silence stood in for a slot, read from the playout's log and counters.

The audio thread counts and logs (playout.py); this module says what was heard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from realtime.timeline.layout import (
    FILL_SAMPLES,
    OPEN_STRETCH,
    SLOTS,
    STRETCH,
    STRETCH_END,
    STRETCHES,
    Field,
    Timeline,
)
from realtime.timeline.monitor_mix import PATHS

REASONS = ("late", "stalled", "died", "start")  # start: the slot's output had not begun
MUTED = "mute"


@dataclass(frozen=True)
class Stretch:
    """Input samples [start, end) in which dry or silence stood in for a slot, fades included."""

    slot: int
    start: int
    end: int
    reason: str  # one of REASONS


class DropoutLog:
    """Reader of one timeline's log, from now on. Poll it some 10 times a second, in one thread."""

    def __init__(self, timeline: Timeline) -> None:
        self.lost = 0  # stretches overwritten before they were read
        self._timeline = timeline
        self._read = [timeline.load(field) for field in STRETCH_END]

    def poll(self) -> list[Stretch]:
        """Return the stretches that have ended since the last call."""
        return [stretch for slot in range(len(SLOTS)) for stretch in self._poll_slot(slot)]

    def open(self) -> list[Stretch]:
        """Return the stretches that go on, up to the sample that is played now."""
        timeline, found = self._timeline, []
        now = timeline.load(Field.PLAYED_END) - timeline[Field.LATENCY]
        for slot, (kind_field, start_field) in enumerate(OPEN_STRETCH):
            kind, start = timeline.load(kind_field), timeline.load(start_field)
            if kind and start < now:
                found.append(Stretch(slot, start, now, REASONS[kind - 1]))
        return found

    def _poll_slot(self, slot: int) -> list[Stretch]:
        timeline, end = self._timeline, self._timeline.load(STRETCH_END[slot])
        entries = []
        for number in range(max(self._read[slot], end - STRETCHES), end):
            at = STRETCH[slot] + 2 * (number % STRETCHES)
            entries.append((number, int(timeline.header[at]), int(timeline.header[at + 1])))
        oldest = timeline.load(STRETCH_END[slot]) - STRETCHES + 1  # the one before may be overwritten already
        found = [Stretch(slot, start, pair >> 3, REASONS[(pair & 7) - 1]) for n, start, pair in entries if n >= oldest]
        self.lost += end - self._read[slot] - len(found)
        self._read[slot] = end
        return found


class HeardPath:
    """State `heard`: the path that is played, or its stand-in, such as `dry for a`. One thread."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._filled = self._counts()

    def poll(self, values: Mapping[str, Any]) -> str:
        """Return what has been heard since the last call, for the parameters of the monitor mix.

        `mute`, a monitor path, or `dry for` (`silence for`) the slots of that path which were not
        fully there for at least one sample.
        """
        before, self._filled = self._filled, self._counts()
        if values["mute"]:
            return MUTED
        path = "dry" if values["bypass"] else str(values["monitor"])
        names = [
            name
            for slot, name in enumerate(SLOTS)
            if PATHS[path][1 + slot] and self._filled[slot] != before[slot]
        ]  # fmt: skip
        fill = "silence" if self._timeline.load(Field.DROPOUT_FILL) else "dry"
        return f"{fill} for {' and '.join(names)}" if names else path

    def _counts(self) -> list[int]:
        return [self._timeline.load(field) for field in FILL_SAMPLES]


def stands_in(heard: str) -> bool:
    """Return True if a state `heard` is a stand-in for a slot."""
    return " for " in heard
