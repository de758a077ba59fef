"""Contents of OSC replies about the stream: names and values in turn, so that fields can be added
later.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from realtime.engine.engine import Engine
from realtime.engine.rack_change import PLACES, effects_at
from realtime.parameters.effect_rows import rows
from realtime.timeline.layout import SLOTS, Field
from realtime.worker.latency_budget import slot_terms
from realtime.worker.messages import EffectsChanged, SlotInfo


def pairs(facts: Mapping[str, Any]) -> list[Any]:
    """Return name, value, name, value …"""
    return [item for pair in facts.items() for item in pair]


def latency(engine: Engine) -> dict[str, Any]:
    """Return the latency in samples and ms, and the terms that add up to it in samples."""
    return {"samples": engine.plan.latency, "ms": engine.plan.milliseconds, **engine.plan.terms}


def slot_latency(engine: Engine, slot: str) -> dict[str, Any]:
    """Return the latency terms of one slot in samples; only the slot if it is off.

    The term `reserve` is the part of L that this slot does not need.
    """
    settings = engine.settings
    terms = slot_terms(engine.needs, rate=settings.rate, block=settings.block).get(SLOTS.index(slot))
    if terms is None:
        return {"slot": slot}
    return {"slot": slot, **terms, "reserve": max(0, engine.plan.latency - sum(terms.values()))}


def transport(engine: Engine) -> tuple[str, float, float, int]:
    """Return the source, the position that is heard and the length in seconds, and 1 if it loops."""
    position, rate = engine.source_position, engine.timeline[Field.RATE]
    source = str(engine.parameters["source"])
    if position is None:
        return source, 0.0, 0.0, int(engine.parameters["source.loop"])
    heard = engine.timeline.load(Field.PLAYED_END) - engine.plan.latency
    return source, position.at(heard) / rate, position.length / rate, int(position.loop)


def codec(engine: Engine, slot: str) -> dict[str, Any]:
    """Return the facts of a slot's codec; only slot and name "off" if there is none."""
    playing = {SLOTS[p.slot]: p for p in engine.playing}
    return {"slot": slot, **(_codec(playing[slot]) if slot in playing else {"name": "off"})}


def rack_offer(event: EffectsChanged, rate: int) -> tuple[int, float, str] | tuple[()]:
    """Return the latency that effects need, in samples and ms, and the command that restarts with it.

    For a model that the user has to allow first: 0, 0 and the command of a shell that does so.
    """
    if event.offer:
        return 0, 0.0, event.offer
    if not event.needed:
        return ()
    command = ["/verdigris/restart", "latency", str(event.needed)]
    for place in PLACES:
        command += [f"{place}.effects", shlex.join(effects_at(event.racks, place))]
    return event.needed, 1000.0 * event.needed / rate, shlex.join(command)


def controls(engine: Engine) -> list[list[Any]]:
    """Return name, effect, type, value, default, lowest, highest and description of each effect
    control.
    """
    found = []
    for effect in engine.effects:
        for row in rows([effect]).values():
            bounds = [0, 1] if row.kind is bool else [row.low, row.high]
            found.append(
                [row.name, effect.spec, row.kind.__name__, engine.parameters[row.name], row.default, *bounds, row.help]
            )
    return found


def _codec(playing: SlotInfo) -> dict[str, Any]:
    spec = playing.spec
    return {
        "name": playing.codec,
        "path": playing.path,
        "sample_rate": spec.sample_rate,
        "channels": spec.channels,
        "hop": spec.hop,
        "lookahead": spec.lookahead,
        "tokens": spec.tokens,
        "cardinality": spec.cardinality,
        "latent_count": spec.latent[0],
        "latent_dims": spec.latent[1],
        "paths": ",".join(spec.paths),
        "time_ordered": int(spec.time_ordered),
        "books": spec.books,
    }
