"""Effects in their places: opened, each that is not ours in a process of its own, and shut."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from realtime.rack.effect import Effect, Inserted, split_spec
from realtime.rack.gain import Gain
from realtime.rack.guest import Guest
from realtime.rack.rack import Insert, Rack


def open_effect(spec: str, rate: int, channels: int, patience_s: float) -> Effect:
    """EffectError if it cannot be had."""
    kind, _ = split_spec(spec)
    return Gain() if kind == "gain" else Guest(spec, rate, channels, patience_s)


def open_rack(specs: Sequence[str], rate: int, channels: int, patience_s: float) -> Rack:
    """All of them or none; EffectError then."""
    inserts: list[Insert] = []
    with contextlib.ExitStack() as on_error:
        for spec in specs:
            effect = open_effect(spec, rate, channels, patience_s)
            on_error.callback(effect.close)
            inserts.append(Insert(spec, effect, channels))
        on_error.pop_all()
    return Rack(inserts, channels)


def set_patience(rack: Rack, seconds: float) -> None:
    """How long an effect in a process of its own may take for one answer from now on."""
    for insert in rack.inserts:
        if isinstance(insert.effect, Guest):
            insert.effect.patience_s = seconds


def inserted(racks: Iterable[tuple[str, Rack]]) -> tuple[Inserted, ...]:
    """What is in these places; one that several lanes have counts once."""
    found = {}
    for place, rack in racks:
        for number, insert in enumerate(rack.inserts, 1):
            effect = insert.effect
            found[place, number] = Inserted(place, number, insert.spec, effect.latency, effect.controls)
    return tuple(found.values())
