"""Bends that follow a tempo: note values as numbers of frames."""

from __future__ import annotations

from collections.abc import Mapping

from realtime.client import CodecInfo
from realtime.parameters.table import PARAMETERS

NOTES = {"off": 0.0, "1/32": 0.125, "1/16": 0.25, "1/8": 0.5, "1/4": 1.0, "1/2": 2.0, "1 bar": 4.0}  # quarter notes
BENDS = {"bend.stutter.frames": "Stutter", "bend.hold.frames": "Slow clock"}  # parameters of a slot
SYNCED = tuple(f"{slot}.{bend}" for slot in ("a", "b") for bend in BENDS)
DEFAULT_TEMPO = 120.0


def frames(note: str, tempo: float, frame_seconds: float, name: str) -> int:
    """Return the number of frames nearest to a note value, within the range of the parameter."""
    row = PARAMETERS[name]
    assert row.low is not None
    assert row.high is not None
    wanted = NOTES[note] * 60.0 / (tempo * frame_seconds)
    return round(min(max(wanted, row.low, 1), row.high))


class TempoSync:
    """Note value of each synced parameter. `step` returns what has to change."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}  # by parameter; "off" is left out
        self.manual = DEFAULT_TEMPO  # quarter notes a minute while there is no clock
        self._sent: dict[str, int] = {}

    def choose(self, name: str, note: str) -> dict[str, int]:
        """Sync a parameter to a note value; return the values to set now: neutral ones for "off"."""
        self._sent.pop(name, None)
        if note in NOTES and note != "off" and name in SYNCED:
            self.notes[name] = note
            return {}
        return {name: PARAMETERS[name].default} if self.notes.pop(name, None) else {}

    def step(self, clock: float, codecs: Mapping[str, CodecInfo]) -> dict[str, int]:
        """Return the values that differ from the last ones; `clock` is the tempo of MIDI, 0 for none."""
        tempo, found = clock or self.manual, {}
        for name, note in self.notes.items():
            if (facts := codecs.get(name[0])) is None:
                continue
            count = frames(note, tempo, facts.frame_seconds, name)
            if self._sent.get(name) != count:
                self._sent[name] = found[name] = count
        return found

    def forget(self) -> None:
        """Send all values again, as to a new stream."""
        self._sent.clear()
