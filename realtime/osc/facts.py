"""What a stream is, as OSC tells it: names and values in turn, so that more can be told one day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime.engine import Engine
from realtime.rack.rows import rows
from realtime.service import Playing
from realtime.timeline import SLOTS


def pairs(facts: Mapping[str, Any]) -> list[Any]:
    """Name, value, name, value ..."""
    return [item for pair in facts.items() for item in pair]


def latency(engine: Engine) -> dict[str, Any]:
    """L in samples and ms, and the terms that it is the sum of."""
    return {"samples": engine.plan.latency, "ms": engine.plan.milliseconds, **engine.plan.terms}


def codec(engine: Engine, slot: str) -> dict[str, Any]:
    """What a slot plays; no more than that it is off, if it is."""
    playing = {SLOTS[p.slot]: p for p in engine.playing}
    return {"slot": slot, **(_codec(playing[slot]) if slot in playing else {"name": "off"})}


def controls(engine: Engine) -> list[list[Any]]:
    """Of each control of an effect: name, effect, type, value, default, lowest, highest, what it is."""
    found = []
    for effect in engine.inserted:
        for row in rows([effect]).values():
            bounds = [0, 1] if row.kind is bool else [row.low, row.high]
            found.append(
                [row.name, effect.spec, row.kind.__name__, engine.values[row.name], row.default, *bounds, row.help]
            )
    return found


def _codec(playing: Playing) -> dict[str, Any]:
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
    }
