"""Factory of effects and racks: opens effects, each in a sandbox unless it is built in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from realtime.effects.effect import Effect, EffectInfo, Timed
from realtime.effects.kinds import open_here, split_spec
from realtime.effects.rack import Rack, RackEffect
from realtime.effects.sandbox import SandboxedEffect


def open_effect(spec: str, rate: int, channels: int, timeout_s: float) -> Effect:
    """Open an effect. EffectError if it is not available."""
    kind, _ = split_spec(spec)
    if kind.sandboxed:
        return SandboxedEffect(spec, rate, channels, timeout_s)
    effect = open_here(spec, rate, channels)
    if isinstance(effect, Timed):
        effect.timeout_s = timeout_s
    return effect


def open_rack(specs: Sequence[str], rate: int, channels: int, timeout_s: float) -> Rack:
    """Open all effects of a rack, or none: EffectError if one is not available."""
    effects: list[RackEffect] = []
    with contextlib.ExitStack() as on_error:
        for spec in specs:
            effect = open_effect(spec, rate, channels, timeout_s)
            on_error.callback(effect.close)
            effects.append(RackEffect(spec, effect, channels))
        on_error.pop_all()
    return Rack(effects, channels)


def set_timeout(rack: Rack, seconds: float) -> None:
    """Set the time that effects with a process of their own may take for one answer."""
    for rack_effect in rack.effects:
        if isinstance(rack_effect.effect, Timed):
            rack_effect.effect.timeout_s = seconds


def effect_infos(racks: Iterable[tuple[str, Rack]]) -> tuple[EffectInfo, ...]:
    """Return the effects of racks given as (place, rack). A place that several lanes have counts
    once.
    """
    found = {}
    for place, rack in racks:
        for number, rack_effect in enumerate(rack.effects, 1):
            effect = rack_effect.effect
            found[place, number] = EffectInfo(place, number, rack_effect.spec, effect.latency, effect.controls)
    return tuple(found.values())
