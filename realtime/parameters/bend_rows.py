"""Controls of bends as rows of the parameter table: a.bend.NAME and b.bend.NAME."""

from __future__ import annotations

from realtime.bends import registry
from realtime.bends.bend import BendControl
from realtime.parameters.parameter import Parameter, When


def rows(slot: str) -> tuple[Parameter, ...]:
    """Return the rows of one slot, "a" or "b"."""
    return tuple(_row(slot, control) for control in registry.controls())


def _row(slot: str, control: BendControl) -> Parameter:
    return Parameter(
        f"{slot}.bend.{control.name}",
        control.kind,
        control.default,
        When.FRAME,
        control.help,
        control.low,
        control.high,
        control.choices,
        size=control.size,
        clamp=control.low is not None and control.kind is not bool,
        local=control.command_line_only,
    )
