"""Gain of the part above 609 Hz in time: curves in dB for slots of 128 samples, and their digits.

After the gain control of AAC-SSR (ISO/IEC 13818-7): the encoder divides the high part by the gain,
the decoder multiplies by it, so that the error before an attack is as soft as the sound there. A
frame's curve has a start, and up to four events of four kinds:

    slow, fast   the gain rises by the level at an attack, then falls by 1.5 or 6 dB a slot to 0
    step         the gain is lower by the level before an attack, back to the last drop or to the curve's start
    drop         silence begins: where no step follows, the gain is lower by the level from here to the end

A step suits sound that lasts: afterwards the gain is 0 and the frame's part that is heard is
coded as it is. The curve of frame t is that of the last HOP samples that the frame covers. The first
OVERLAP samples are under the curve of the frame before. A drop at its end protects the silence before
an attack at the beginning of the next frame; without one, a step near the beginning makes the
decoder softer there (`gate`), which the encoder knows nothing of.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from models.codicodec.start.digit_layout import ENTRIES, HOP, Array

SLOT = 128  # samples
SLOTS = HOP // SLOT
RISE = 24  # samples in which a gain rises
MOST = 60.0  # dB
START_STEP = 5.0  # dB
RELEASES = (1.5, 6.0)  # dB a slot
RISING = (6.0, 9.5, 15.0, 24.0, 36.0, 54.0)  # dB
STEPS = (8.0, 13.0, 20.0, 29.0, 40.0, 54.0)  # dB
DROPS = (29.0, 54.0)  # dB
ENVELOPE_STEP = 100.0  # dB of a correction of a slot for a fraction of 1
KINDS = len(RELEASES) * len(RISING) + len(STEPS) + len(DROPS)
GATED = 11  # last slot whose step makes the overlap before softer
NO_EVENT = SLOTS * KINDS
assert NO_EVENT < ENTRIES

Curve = npt.NDArray[np.float64]  # dB, [SLOTS]


class Kind(Enum):
    """Kinds of events."""

    SLOW = 0
    FAST = 1
    STEP = 2
    DROP = 3

    @property
    def levels(self) -> tuple[float, ...]:
        """Return the levels in dB that an event of this kind may have."""
        return {Kind.STEP: STEPS, Kind.DROP: DROPS}.get(self, RISING)


@dataclass(frozen=True)
class Event:
    """An event of a frame's curve."""

    slot: int
    kind: Kind
    level: float  # dB

    def place(self) -> tuple[int, int]:
        """Return the event's place in the order of a frame's events."""
        return self.slot, -self.kind.value

    def number(self) -> int:
        """Return the number that is coded."""
        return self.slot * KINDS + _EVENTS.index((self.kind, self.level))

    @staticmethod
    def of(number: int) -> Event:
        """Return the event of a number below NO_EVENT."""
        slot, place = divmod(number, KINDS)
        return Event(slot, *_EVENTS[place])


_SLOT_NUMBERS = np.arange(SLOTS, dtype=np.float64)
_EVENTS = [(kind, level) for kind in Kind for level in kind.levels]


def curve_of(start: float, events: list[Event]) -> Curve:
    """Return the curve from a gain at its start and events in order of time."""
    curve = np.maximum(start - RELEASES[1] * _SLOT_NUMBERS, 0)
    for event in events:
        if event.kind in (Kind.SLOW, Kind.FAST):
            gain = min(MOST, float(curve[event.slot]) + event.level)
            falling = gain - RELEASES[event.kind.value] * _SLOT_NUMBERS[: SLOTS - event.slot]
            curve[event.slot :] = np.maximum(falling, 0)
    silence: Event | None = None
    for event in events:
        if event.kind is Kind.STEP:
            curve[silence.slot if silence else 0 : event.slot] -= event.level
            silence = None
        elif event.kind is Kind.DROP:
            silence = event
    if silence:
        curve[silence.slot :] -= silence.level
    return np.maximum(curve, -MOST)


def decode_events(numbers: npt.NDArray[np.int64]) -> list[Event]:
    """Return the events of EVENTS numbers, in order of time."""
    found = {Event.of(number) for number in numbers.tolist() if number < NO_EVENT}
    return sorted(found, key=Event.place)


def gate(events: list[Event], before: float) -> float:
    """Return the gain in dB, 0 or less, of the samples that a frame shares with the one before.

    `before` is the gain at the end of that frame's curve, in dB.
    """
    first = events[0] if events else None
    if first is None or first.kind is not Kind.STEP or first.slot > GATED:
        return 0.0
    return min(0.0, -first.level - min(before, 0.0))


def linear_gains(curve: Curve, before: float) -> Array:
    """Return the gain of each sample [128 x slots]; `before` is the gain of the slot before, in dB.

    A gain rises within 24 samples and falls over a whole slot.
    """
    ends, begins = curve[:, None], np.concatenate([[before], curve[:-1]])[:, None]
    decibels = begins + (ends - begins) * np.where(ends > begins, _UP, _DOWN)
    return np.power(10, decibels / 20).reshape(-1).astype(np.float32)


_DOWN = (np.arange(SLOT) + 0.5) / SLOT
_UP = np.minimum((np.arange(SLOT) + 0.5) / RISE, 1)
