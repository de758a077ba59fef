"""Catalogue of the effects on this machine, for `verdigris effects`."""

from __future__ import annotations

from typing import Any

from realtime.effects.effect import OFFLINE_TIMEOUT_S, Control, EffectError
from realtime.effects.factory import open_effect
from realtime.effects.kinds import KINDS, EffectKind, unavailable
from realtime.effects.lilv import Lilv
from realtime.system.platform.folders import vst3_folders

RATE = 48_000


def listing() -> dict[str, Any]:
    """Return the kinds, with the reason if one is not available, and the plug-ins found.

    LV2 plug-ins that do not fit a rack are left out.
    """
    kinds = {kind.name: _describe(kind) for kind in KINDS.values()}
    plugins: list[dict[str, str]] = []
    try:
        plugins = [{"effect": f"lv2:{p.uri}", "name": p.name} for p in Lilv().plugins() if not p.problem]
    except EffectError as error:
        kinds["lv2"] += f"; {error}"
    found = sorted(path for folder in vst3_folders() for path in folder.glob("*.vst3"))
    plugins += [{"effect": f"vst:{path}", "name": path.stem} for path in found]
    return {"kinds": kinds, "plugins": sorted(plugins, key=lambda plugin: plugin["name"].lower())}


def controls(spec: str) -> dict[str, Any]:
    """Open one effect and return its latency and controls. EffectError if it is not available."""
    effect = open_effect(spec, RATE, 2, OFFLINE_TIMEOUT_S)
    try:
        return {
            "effect": spec,
            "latency": effect.latency,
            "controls": [_control(control) for control in effect.controls],
        }
    finally:
        effect.close()


def table(found: dict[str, Any]) -> str:
    """Return the result of `listing` or `controls` as lines of text."""
    if "controls" in found:
        milliseconds = 1000 * found["latency"] / RATE
        lines = [f"{found['effect']}: {found['latency']} samples = {milliseconds:.1f} ms of latency at {RATE} Hz"]
        for c in found["controls"]:
            values = f"{c['low']:>10.6g} … {c['high']:<10.6g} (default {c['default']:.6g})"
            lines.append(f"  {c['name']:20} {c['type']:6} {values}  {c['help']}")
        return "\n".join(lines)
    lines = [f"{kind:5} {text}" for kind, text in found["kinds"].items()]
    return "\n".join([*lines, "", *(f"{plugin['name']:44} {plugin['effect']}" for plugin in found["plugins"])])


def _describe(kind: EffectKind) -> str:
    text = f"{kind.where}: {kind.help}" if kind.where else kind.help
    remedy = unavailable(kind)
    return f"{text}; {remedy}" if remedy else text


def _control(control: Control) -> dict[str, Any]:
    facts = vars(control) | {"type": control.kind.__name__}
    del facts["kind"]
    return facts
