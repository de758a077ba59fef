"""What can be in the rack on this machine, for `verdigris effects`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from realtime.rack.effect import PATIENCE_S, Control, EffectError
from realtime.rack.lilv import Lilv
from realtime.rack.opening import open_effect

RATE = 48_000
VST_FOLDERS = ("~/.vst3", "/usr/lib/vst3", "/usr/local/lib/vst3", "/Library/Audio/Plug-Ins/VST3")


def listing() -> dict[str, Any]:
    """Kinds, with why they cannot be had where that is so, and the plug-ins found. LV2 that do not fit are left out."""
    kinds = {
        "gain": "built in, control db",
        "py": "FILE: process(block, params) in numpy, read again when it is saved",
        "pyo": "FILE: a pyo patch that hears Input(), read again when it is saved" + _lack("pyo", "pyo is not here"),
        "vst": "PATH: a VST3, by pedalboard (GPL-3)" + _lack("pedalboard", "pip install 'verdigris[vst]'"),
        "lv2": "URI: an LV2 plug-in",
    }
    plugins: list[dict[str, str]] = []
    try:
        plugins = [{"effect": f"lv2:{p.uri}", "name": p.name} for p in Lilv().plugins() if not p.problem]
    except EffectError as error:
        kinds["lv2"] += f"; {error}"
    found = sorted(path for folder in VST_FOLDERS for path in Path(folder).expanduser().glob("*.vst3"))
    plugins += [{"effect": f"vst:{path}", "name": path.stem} for path in found]
    return {"kinds": kinds, "plugins": sorted(plugins, key=lambda plugin: plugin["name"].lower())}


def controls(spec: str) -> dict[str, Any]:
    """One effect, opened to see its latency and its controls. EffectError if it cannot be had."""
    effect = open_effect(spec, RATE, 2, PATIENCE_S)
    try:
        return {
            "effect": spec,
            "latency": effect.latency,
            "controls": [_control(control) for control in effect.controls],
        }
    finally:
        effect.close()


def table(found: dict[str, Any]) -> str:
    """Either of them as lines."""
    if "controls" in found:
        lines = [f"{found['effect']}: {found['latency']} samples of latency at {RATE} Hz"]
        for c in found["controls"]:
            values = f"{c['low']:>10.6g} … {c['high']:<10.6g} (default {c['default']:.6g})"
            lines.append(f"  {c['name']:20} {c['type']:6} {values}  {c['help']}")
        return "\n".join(lines)
    lines = [f"{kind:5} {what}" for kind, what in found["kinds"].items()]
    return "\n".join([*lines, "", *(f"{plugin['name']:44} {plugin['effect']}" for plugin in found["plugins"])])


def _control(control: Control) -> dict[str, Any]:
    facts = vars(control) | {"type": control.kind.__name__}
    del facts["kind"]
    return facts


def _lack(module: str, remedy: str) -> str:
    return "" if importlib.util.find_spec(module) else f"; {remedy}"
