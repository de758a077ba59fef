"""One parameter: what its values may be, and how a value is read from text, from numbers, from OSC."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


class ParameterError(ValueError):
    """A name or value that the table does not allow; the message says what it does."""


@dataclass(frozen=True)
class Parameter:
    """One row. A range is inclusive.

    `when` is what a change waits for: block, frame, load (another codec has to be loaded first), session (a live
    session's own thread does it, orders.py) or restart. A vector has `size` elements, each of `kind`, and a tuple as
    its value.
    """

    name: str
    kind: type
    default: Any
    when: str
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    size: int = 0  # elements; 0: a single value
    clamp: bool = False  # numbers beyond the range that come by OSC are moved into it, not refused
    path: str = ""  # of the OSC address, where that is not the name
    local: bool = False  # from the command line only: OSC knows no passwords, and this runs code

    @property
    def address(self) -> str:
        """The OSC address."""
        return "/verdigris/" + (self.path or self.name.replace(".", "/"))

    @property
    def allowed(self) -> str:
        """What a value may be, in words."""
        if self.choices:
            return ", ".join(self.choices)
        if self.kind is bool:
            return "on or off"
        if self.low is None:
            return "text"
        kind = "a whole number" if self.kind is int else "a number"
        return f"{kind} from {self.low} to {self.high}{' ' + self.unit if self.unit else ''}"

    def parse(self, given: Any, *, clamp: bool = False) -> Any:
        """The value, or ParameterError. Text is read; numbers are taken where nothing is lost.

        A vector takes text with commas, a sequence of all its elements, or one value for all of them.
        """
        if not self.size:
            return self.parse_element(given, clamp=clamp)
        items = given.split(",") if isinstance(given, str) else given
        if not isinstance(items, tuple | list):
            items = [items]
        if len(items) == 1:
            items = list(items) * self.size
        if len(items) != self.size:
            raise ParameterError(f"{self.name} has {self.size} elements, {len(items)} were given. Pass all of them.")
        return tuple(self.parse_element(item, clamp=clamp) for item in items)

    def parse_element(self, given: Any, *, clamp: bool = False) -> Any:
        """One element of a vector, or the single value."""
        try:
            value = self._coerce(given)
        except (ValueError, TypeError, OverflowError):
            value = None
        if clamp and self.clamp and isinstance(value, int | float) and math.isfinite(value):
            assert self.low is not None
            assert self.high is not None
            value = self.kind(min(max(value, self.low), self.high))
        in_choices = not self.choices or value in self.choices
        in_range = self.low is None or (value is not None and self.high is not None and self.low <= value <= self.high)
        if value is None or not in_choices or not in_range:
            raise ParameterError(f'{self.name} "{given}" is not allowed. Pass {self.allowed}.')
        return value

    def _coerce(self, given: Any) -> Any:
        if self.kind is bool:
            if isinstance(given, float):
                given = int(given) if given in (0.0, 1.0) else None
            return {"on": True, "off": False, "true": True, "false": False, "1": True, "0": False}.get(
                str(given).lower()
            )
        if self.choices and isinstance(given, int | float) and not isinstance(given, bool):
            if f"{given:g}" in self.choices:  # a choice that reads as a number
                return f"{given:g}"
            return self.choices[int(given)] if given == int(given) and 0 <= given < len(self.choices) else None
        if self.kind is str and not isinstance(given, str):
            return None
        if self.kind is int and isinstance(given, float) and given != int(given):
            return None
        return self.kind(given)


def element_name(row: Parameter, index: int) -> str:
    """An element of a vector as it is written in names and addresses: zero-padded, so that patterns work."""
    return f"{index:0{max(2, len(str(row.size - 1)))}}"
