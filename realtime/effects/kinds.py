"""Registry of effect kinds. A new kind is a module with a function or class to open it, and one
entry here.

The command line, its help, the catalogue and the sandbox follow from the entry.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realtime.effects.effect import Effect, EffectError


@dataclass(frozen=True)
class EffectKind:
    """One kind of effects, written KIND or KIND:WHERE. `opener` is called with (where, rate,
    channels).
    """

    name: str
    opener: str  # MODULE:NAME, imported where the effect runs and nowhere else
    help: str
    where: str = ""  # meaning of WHERE: URI, FILE or PATH; empty for kinds without it
    sandboxed: bool = True  # runs in a sandbox; False for built-in effects and for those that start their own
    package: str = ""  # Python package that must be importable
    remedy: str = ""  # shown when it is not


KINDS = {
    kind.name: kind
    for kind in (
        EffectKind("gain", "realtime.effects.gain:open_gain", "built in, control db", sandboxed=False),
        EffectKind("lv2", "realtime.effects.lv2:Lv2Effect", "an LV2 plug-in", where="URI"),
        EffectKind(
            "pyo",
            "realtime.effects.pyo_patch:PyoPatch",
            "a pyo patch that uses Input(), loaded again when it is saved",
            where="FILE",
            package="pyo",
            remedy="pyo is not installed",
        ),
        EffectKind(
            "py",
            "realtime.effects.numpy_script:NumpyScript",
            "process(block, params) in numpy, loaded again when it is saved",
            where="FILE",
        ),
        EffectKind(
            "nn",
            "realtime.effects.scripted:open_nn",
            "an export for nn~ with forward (TorchScript), once it is trusted",
            where="FILE",
            sandboxed=False,  # its module is
        ),
        EffectKind(
            "neutone",
            "realtime.effects.scripted:open_neutone",
            "a Neutone model (.nm), once it is trusted",
            where="FILE",
            sandboxed=False,
        ),
        EffectKind(
            "vst",
            "realtime.effects.vst3:VstEffect",
            "a VST3 plug-in, by pedalboard (GPL-3)",
            where="PATH",
            package="pedalboard",
            remedy="pip install 'verdigris[vst]'",
        ),
    )
}


def spec_forms() -> str:
    """Return the forms of all specs, such as "gain, lv2:URI or py:FILE"."""
    *first, last = (f"{kind.name}:{kind.where}" if kind.where else kind.name for kind in KINDS.values())
    return f"{', '.join(first)} or {last}"


def split_spec(spec: str) -> tuple[EffectKind, str]:
    """Return the kind and WHERE of KIND:WHERE. EffectError if the spec is not valid or its file
    does not exist.
    """
    name, _, where = spec.partition(":")
    kind = KINDS.get(name)
    if kind is None or bool(kind.where) != bool(where):
        raise EffectError(f'effect "{spec}" is unknown. Pass {spec_forms()}.')
    if kind.where in ("FILE", "PATH") and not Path(where).exists():
        raise EffectError(f"{spec}: the file does not exist. Pass the path of one.")
    return kind, where


def check_specs(specs: Sequence[str]) -> tuple[str, ...]:
    """Return the specs if all are valid; EffectError if one is not."""
    for spec in specs:
        split_spec(spec)
    return tuple(specs)


def open_here(spec: str, rate: int, channels: int) -> Effect:
    """Open an effect in this process. EffectError if it is not available."""
    kind, where = split_spec(spec)
    module, _, name = kind.opener.partition(":")
    effect: Effect = getattr(importlib.import_module(module), name)(where, rate, channels)
    return effect


def unavailable(kind: EffectKind) -> str:
    """Return what to do if the kind's package is not installed; empty if it is."""
    return kind.remedy if kind.package and importlib.util.find_spec(kind.package) is None else ""
