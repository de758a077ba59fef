"""Choice of a frame's gain curve: the one that leaves the least audible coding noise.

The frame is coded as one: the noise of the divided frame is about white in time, at the frame's mean
level, and the decoder multiplies it by the gain. A curve costs the mean over slots of the dB by which
that noise exceeds what is 12 dB below the sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from models.codicodec.start.digit_layout import EVENTS, OVERLAP, Array
from models.codicodec.start.gain_curves import (
    DROPS,
    NO_EVENT,
    RELEASES,
    RISING,
    SLOT,
    SLOTS,
    START_STEP,
    STEPS,
    Curve,
    Event,
    Kind,
    curve_of,
    gate,
)

BEFORE = OVERLAP // SLOT  # slots that a frame covers before its own curve
THRESHOLD = 6.0  # dB by which an attack exceeds the 8 slots before it
SMOOTH = 3  # slots that an attack is measured over
MARGIN = 12.0  # dB below the sound that noise may be
RANGE = 60.0  # dB below the loudest slot; softer ones count as that loud
APART = 4  # slots between attacks
CANDIDATES = 12  # slots that are tried
NEAR = 8.0  # dB between a level that is tried and the measured rise
WORTH = 0.1  # dB of cost that an attack must save
TRAILING = 4  # slots of silence at the end, from which on they are dropped
SPREAD = 4  # slots on both sides over which noise is even
SHAPE = 0.5  # cost of a dB by which the sound differs from such noise
BELOW, FAINT_LEVEL = 12.0, -45.0  # dB below the frame, or dB of full scale, that a silence stays after a drop
FAINT = 1e-8  # energy added to that of a slot

_GROUPS = ((Kind.SLOW, Kind.FAST), (Kind.STEP,), (Kind.DROP,))
_COVERED = np.concatenate([np.sin(np.pi / 2 * (np.arange(BEFORE) + 0.5) / BEFORE) ** 2, np.ones(SLOTS - BEFORE)])
_WEIGHTS = np.concatenate([_COVERED, _COVERED[BEFORE - 1 :: -1]])  # of the BEFORE + SLOTS slots that a frame covers

Levels = npt.NDArray[np.float64]  # dB, [BEFORE + SLOTS]


@dataclass(frozen=True)
class Gain:
    """A frame's curve and what codes it."""

    cost: float
    start: int  # digit
    events: list[Event]  # in order of time

    @property
    def curve(self) -> Curve:
        """Return the curve in dB."""
        return curve_of(START_STEP * self.start, self.events)

    @property
    def numbers(self) -> list[int]:
        """Return the numbers of EVENTS events."""
        return [event.number() for event in self.events] + [NO_EVENT] * (EVENTS - len(self.events))


def slot_levels(high: Array) -> Levels:
    """Return the level of each slot of the high part [2, n]."""
    return 10 * np.log10(np.square(high, dtype=np.float64).sum(0).reshape(-1, SLOT).mean(1) + FAINT)


def choose(levels: Levels, before: Curve) -> Gain:
    """Return the gain for the levels of the slots that a frame covers.

    `before` [BEFORE] are the gains of its first slots.
    """
    audible = np.maximum(levels, levels.max() - RANGE)
    carried = min(round(max(0.0, before[-1] - RELEASES[0]) / START_STEP), 10)
    starts = [Gain(float(_costs(audible, before, digit, [[]])[0]), digit, []) for digit in {0, carried}]
    best = min(starts, key=attrgetter("cost"))
    rises = _rises(levels)
    if rises.max() > THRESHOLD:
        best = _with_attacks(audible, before, rises, best)
    return _with_trailing_drop(levels, best)


def _with_attacks(levels: Levels, before: Curve, rises: Levels, best: Gain) -> Gain:
    """Add the events that save most, as often as some save enough."""
    slots = [slot for slot in np.argsort(-rises, kind="stable")[:CANDIDATES].tolist() if rises[slot] > THRESHOLD]
    additions = [added for slot in slots for added in _candidates(levels, slot, float(rises[slot]))]
    for _ in range(EVENTS):
        tried = [sorted([*best.events, *added], key=Event.place) for added in additions]
        tried = [events for events in tried if len(events) <= EVENTS and _are_apart(events)]
        if not tried:
            break
        found = _costs(levels, before, best.start, tried)
        saved = best.cost - found - WORTH * np.array([len(events) - len(best.events) for events in tried])
        place = int(saved.argmax())
        if saved[place] <= 0:
            break
        best = Gain(float(found[place]), best.start, tried[place])
    return best


def _are_apart(events: list[Event]) -> bool:
    """Return whether no two events of one kind, nor two that rise, are near each other."""
    groups = [[event.slot for event in events if event.kind in kinds] for kinds in _GROUPS]
    return all(later - sooner >= APART for slots in groups for sooner, later in pairwise(slots))


def _candidates(levels: Levels, slot: int, rise: float) -> list[list[Event]]:
    """Return the events that are tried for a rise in dB at a slot."""
    found = [[Event(slot, kind, level)] for kind in (Kind.SLOW, Kind.FAST) for level in RISING if level < rise + NEAR]
    if not slot:
        return found
    own = levels[BEFORE:]
    attack = own[slot : slot + SMOOTH].max()
    for level in STEPS:
        if level < rise + NEAR:
            step = Event(slot, Kind.STEP, level)
            found.append([step])
            loud = np.flatnonzero(own[:slot] > attack - level)
            if len(loud) and loud[-1] + 1 < slot:
                found.append([Event(int(loud[-1]) + 1, Kind.DROP, DROPS[0]), step])
    return found


def _with_trailing_drop(levels: Levels, gain: Gain) -> Gain:
    """Drop the silence at a frame's end, since an attack may follow it in the next frame."""
    own = levels[BEFORE:]
    curve = gain.curve
    whole = 10 * np.log10((10 ** ((own - curve) / 10)).mean())
    for level in reversed(DROPS):
        most = max(whole - BELOW, FAINT_LEVEL) - level
        loud = np.flatnonzero((own - curve > most) | (curve != 0))
        first = int(loud[-1]) + 1 if len(loud) else 0
        free = len(gain.events) < EVENTS
        if first <= SLOTS - TRAILING and free:
            events = sorted([*gain.events, Event(first, Kind.DROP, level)], key=Event.place)
            return Gain(gain.cost, gain.start, events)
    return gain


def _rises(levels: Levels) -> Levels:
    """Return by how many dB the sound at each slot of the curve exceeds the slots before it; 0 beside the
    top of a rise.
    """
    energy = np.concatenate([[0], np.cumsum(10 ** (levels / 10))])
    own = np.arange(BEFORE, BEFORE + SLOTS)
    ends = np.minimum(own + SMOOTH, len(levels))
    after = 10 * np.log10((energy[ends] - energy[own]) / (ends - own) + FAINT)
    earlier = 10 * np.log10((energy[own] - energy[own - BEFORE]) / BEFORE + FAINT)
    rises = after - earlier
    rises[levels[own] - earlier < THRESHOLD / 2] = 0
    rises[np.concatenate([rises[1:], [0]]) > rises + 1] = 0
    return rises


def _costs(levels: Levels, before: Curve, start: int, tried: list[list[Event]]) -> npt.NDArray[np.float64]:
    """Return the costs in dB of lists of events."""
    gains = np.stack([np.concatenate([before, curve_of(START_STEP * start, events)]) for events in tried])
    softer = np.array([gate(events, float(before[-1])) for events in tried])[:, None]
    divided = levels - gains
    powers = np.power(10, divided / 10)
    heard = 10 * np.log10((_WEIGHTS * powers).mean(1, keepdims=True)) + gains
    heard[:, :BEFORE] += softer
    noise = np.maximum(0, heard - levels + MARGIN)
    noise[:, :BEFORE] = np.maximum(noise[:, :BEFORE], -softer)
    summed = np.cumsum(np.pad(powers, ((0, 0), (SPREAD + 1, SPREAD)), mode="edge"), axis=1)
    around = 10 * np.log10((summed[:, 2 * SPREAD + 1 :] - summed[:, : -2 * SPREAD - 1]) / (2 * SPREAD + 1) + 1e-12)
    return (_WEIGHTS * (noise + SHAPE * np.abs(divided - around))).mean(1)
