"""Change of the racks of a running stream: which effects stay, and what becomes of their controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from realtime.effects.effect import EffectError, Racks
from realtime.parameters.parameter import Parameter
from realtime.worker.messages import Slot
from realtime.worker.routing import route

PLACES = ("pre", "a.post", "b.post")
MAX_EFFECTS = 16  # in one place
Position = tuple[str, int]  # place, and number from 1


@dataclass(frozen=True)
class RackChange:
    """New racks. `sources` has the position before of each effect that stays."""

    racks: Racks
    sources: Mapping[Position, Position] = field(default_factory=dict)


def effects_at(racks: Racks, place: str) -> tuple[str, ...]:
    """Return the effects of a place as KIND:WHERE."""
    return racks.pre if place == "pre" else racks.post["ab".index(place[0])]


def with_effects(racks: Racks, place: str, effects: Sequence[str]) -> Racks:
    """Return the racks with other effects at a place."""
    if place == "pre":
        return replace(racks, pre=tuple(effects))
    a, b = racks.post
    return replace(racks, post=(tuple(effects), b) if place[0] == "a" else (a, tuple(effects)))


def add(racks: Racks, place: str, effect: str, number: int | None = None) -> RackChange:
    """Return the change that adds an effect as `number` of its place; last if that is None."""
    count = len(effects_at(racks, place))
    if count >= MAX_EFFECTS:
        raise EffectError(f"{place} has {count} effects already. Remove one first.")
    at = count + 1 if number is None else number
    if not 1 <= at <= count + 1:
        raise EffectError(f"{place} has no place {at} for an effect. Pass 1 to {count + 1}.")
    order: list[int | str] = list(range(1, count + 1))
    order.insert(at - 1, effect)
    return _changed(racks, place, order)


def remove(racks: Racks, place: str, number: int) -> RackChange:
    """Return the change that removes an effect."""
    order = _order(racks, place, number)
    order.remove(number)
    return _changed(racks, place, order)


def move(racks: Racks, place: str, number: int, to: int) -> RackChange:
    """Return the change that moves an effect to another number of its place."""
    order = _order(racks, place, number)
    if to not in order:
        raise EffectError(f"{place} has no effect {to}. Pass 1 to {len(order)}.")
    order.remove(number)
    order.insert(to - 1, number)
    return _changed(racks, place, order)


def _order(racks: Racks, place: str, number: int) -> list[int | str]:
    count = len(effects_at(racks, place))
    if not 1 <= number <= count:
        there = f"Pass 1 to {count}" if count else "Add one first"
        raise EffectError(f"{place} has no effect {number}. {there}.")
    return list(range(1, count + 1))


def _changed(racks: Racks, place: str, order: Sequence[int | str]) -> RackChange:
    """Return the change to this order of numbers before and of new effects."""
    before = effects_at(racks, place)
    now = [before[item - 1] if isinstance(item, int) else item for item in order]
    sources = {(place, at): (place, item) for at, item in enumerate(order, 1) if isinstance(item, int)}
    for other in PLACES:
        if other != place:
            positions = [(other, at) for at in range(1, len(effects_at(racks, other)) + 1)]
            sources |= {position: position for position in positions}
    return RackChange(with_effects(racks, place, now), sources)


def carried(change: RackChange, rows: Mapping[str, Parameter], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each row of the new effects: that of before, or the default."""
    found = {}
    for name, row in rows.items():
        rest, _, control = name.rpartition(".")
        place, _, number = rest.rpartition(".")
        source = change.sources.get((place, int(number)))
        found[name] = before.get(f"{source[0]}.{source[1]}.{control}", row.default) if source else row.default
    return found


def with_controls(controls: Mapping[Slot, Mapping[str, Any]], values: Mapping[str, Any]) -> dict[Slot, dict[str, Any]]:
    """Return the controls of a request with these effect controls in place of all others."""
    found = {
        slot: {name: value for name, value in own.items() if slot != Slot.PRE and not name.startswith("post.")}
        for slot, own in controls.items()
    }
    for name, value in values.items():
        if target := route(name):
            found.setdefault(target[0], {})[target[1]] = value
    return found
