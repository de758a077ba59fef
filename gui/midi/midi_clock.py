"""Tempo of a MIDI clock: 24 pulses a quarter note (MIDI 1.0, "System Real Time Messages")."""

from __future__ import annotations

from collections import deque

PULSES = 24  # of a quarter note
SPAN = 2 * PULSES  # pulses that the tempo is measured over
LOST_S = 0.5  # without a pulse, there is no clock
SLOWEST, FASTEST = 20.0, 400.0  # quarter notes a minute; others are not a tempo


class MidiClock:
    """Call `hear` for each message of the clock, with its time in seconds."""

    def __init__(self) -> None:
        self._pulses: deque[float] = deque(maxlen=SPAN + 1)

    def hear(self, kind: str, at: float) -> None:
        """Take a message: "clock" is a pulse, "start" begins anew; others are ignored."""
        if kind == "start" or (self._pulses and at - self._pulses[-1] > LOST_S):
            self._pulses.clear()
        if kind == "clock":
            self._pulses.append(at)

    def tempo(self, now: float) -> float:
        """Return quarter notes a minute; 0 if there is no clock."""
        if len(self._pulses) <= PULSES // 2 or now - self._pulses[-1] > LOST_S:
            return 0.0
        seconds = self._pulses[-1] - self._pulses[0]
        found = 60.0 * (len(self._pulses) - 1) / (PULSES * seconds) if seconds > 0 else 0.0
        return found if SLOWEST <= found <= FASTEST else 0.0
