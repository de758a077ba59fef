"""Effects' controls as rows of the parameter table: pre.1.NAME, a.post.2.NAME, and a bypass for each.

The table of params.py is fixed; these rows come with a session, for the effects that are in its racks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from realtime.parameter import Parameter, ParameterError
from realtime.rack.effect import Control, Inserted
from realtime.rack.rack import BYPASS

_NAME = re.compile(r"(pre|[ab]\.post)\.\d+\.\w+")


def rows(inserted: Iterable[Inserted]) -> dict[str, Parameter]:
    """By name."""
    found = [row for effect in inserted for row in _rows(effect)]
    return {row.name: row for row in found}


def is_control(name: str) -> bool:
    """Whether a name is that of an effect's control, whatever effects there are."""
    return _NAME.fullmatch(name) is not None


def parse_control(table: dict[str, Parameter], name: str, given: object) -> object:
    """The value of a control, by the rows of these effects, or ParameterError; what is none stays as it is."""
    if not is_control(name):
        return given
    if name not in table:
        known = ", ".join(row for row in table if is_control(row)) or "none: pass --pre or --post-a"
        raise ParameterError(f"effects have no control {name}. There are {known}.")
    return table[name].parse(given)


def _rows(effect: Inserted) -> list[Parameter]:
    prefix = f"{effect.place}.{effect.number}"
    own = [_row(prefix, effect.spec, control) for control in effect.controls if control.name != BYPASS]
    return [Parameter(f"{prefix}.{BYPASS}", bool, False, "frame", f"leave out {effect.spec}"), *own]


def _row(prefix: str, spec: str, control: Control) -> Parameter:
    name, help_ = f"{prefix}.{control.name}", f"{control.help or control.name}, of {spec}"
    if control.kind is bool:
        return Parameter(name, bool, bool(control.default), "frame", help_)
    low, high, default = (control.kind(value) for value in (control.low, control.high, control.default))
    return Parameter(name, control.kind, default, "frame", help_, low, high, clamp=True)
