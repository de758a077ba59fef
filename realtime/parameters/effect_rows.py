"""Controls and bypass of effects as rows of the parameter table: pre.1.NAME, a.post.2.NAME.

The table of table.py is fixed; these rows belong to a session and the effects in its racks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from realtime.effects.effect import Control, EffectInfo
from realtime.effects.rack import BYPASS
from realtime.parameters.parameter import Parameter, ParameterError, When

_NAME = re.compile(r"(pre|[ab]\.post)\.\d+\.\w+")


def rows(effects: Iterable[EffectInfo]) -> dict[str, Parameter]:
    """Return the rows of these effects by name."""
    found = [row for effect in effects for row in _rows(effect)]
    return {row.name: row for row in found}


def is_control(name: str) -> bool:
    """Return True if the name has the form of an effect's control."""
    return _NAME.fullmatch(name) is not None


def parse_control(table: dict[str, Parameter], name: str, given: object) -> object:
    """Return the parsed value of an effect's control, and other values as given.

    ParameterError if the control does not exist or the value is not allowed.
    """
    if not is_control(name):
        return given
    if name not in table:
        known = ", ".join(row for row in table if is_control(row)) or "none: pass --pre or --post-a"
        raise ParameterError(f"effects have no control {name}. There are {known}.")
    return table[name].parse(given)


def _rows(effect: EffectInfo) -> list[Parameter]:
    prefix = f"{effect.place}.{effect.number}"
    own = [_row(prefix, effect.spec, control) for control in effect.controls if control.name != BYPASS]
    return [Parameter(f"{prefix}.{BYPASS}", bool, False, When.FRAME, f"bypass {effect.spec}"), *own]


def _row(prefix: str, spec: str, control: Control) -> Parameter:
    name, help_ = f"{prefix}.{control.name}", f"{control.help or control.name}, of {spec}"
    if control.kind is bool:
        return Parameter(name, bool, bool(control.default), When.FRAME, help_)
    low, high, default = (control.kind(value) for value in (control.low, control.high, control.default))
    return Parameter(name, control.kind, default, When.FRAME, help_, low, high, clamp=True)
