"""Parameter routing: the slot that a parameter's name belongs to, and the stage within the slot.

limiter                  all slots   limiter
a.steps                  slot A      decoder, steps
b.lock                   slot B      seed lock
a.continue               slot A      continuation, on
a.continue.guide         slot A      continuation, guide
a.bend.mask.probability  slot A      bends, mask.probability
a.post.2.drive           slot A      effects after the codec, 2.drive
pre.1.drive              effects before the codecs, 1.drive
"""

from __future__ import annotations

from enum import Enum, auto

from realtime.worker.messages import Slot

LIMITER = "limiter"
_PREFIXES = {"a": Slot.A, "b": Slot.B, "pre": Slot.PRE}


class Stage(Enum):
    """Part of a slot's chain that a parameter belongs to."""

    DECODER = auto()
    SEED_LOCK = auto()
    CONTINUATION = auto()
    BENDS = auto()
    EFFECTS = auto()
    LIMITER = auto()


_STAGES = {"continue": Stage.CONTINUATION, "bend": Stage.BENDS, "post": Stage.EFFECTS}
_SINGLE = {"lock": Stage.SEED_LOCK, LIMITER: Stage.LIMITER}


def route(name: str) -> tuple[Slot, str] | None:
    """Return the target of a parameter and its name there; None if the worker does not apply it."""
    if name == LIMITER:
        return Slot.GLOBAL, name
    prefix, _, rest = name.partition(".")
    return (_PREFIXES[prefix], rest) if prefix in _PREFIXES else None


def full_name(slot: int, name: str) -> str:
    """Return the parameter's full name: the inverse of `route`."""
    prefix = next((prefix for prefix, target in _PREFIXES.items() if target == slot), "")
    return f"{prefix}.{name}" if prefix else name


def stage_of(name: str) -> tuple[Stage, str]:
    """Return the stage of a slot's parameter and its name within the stage."""
    prefix, dot, rest = name.partition(".")
    if dot and prefix in _STAGES:
        return _STAGES[prefix], rest
    if name == "continue":
        return Stage.CONTINUATION, "on"
    return _SINGLE.get(name, Stage.DECODER), name


def effects_place(slot: int) -> str:
    """Return the prefix of effects: before all codecs (PRE) or after slot A's or B's."""
    return full_name(slot, "post") if slot != Slot.PRE else "pre"
