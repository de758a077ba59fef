"""Parameter: allowed values, and how to parse them from text, numbers and OSC arguments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ParameterError(ValueError):
    """A name or value that is not allowed; the message lists the allowed ones."""


class When(StrEnum):
    """Moment at which a changed parameter takes effect."""

    BLOCK = "block"  # at the next audio block
    FRAME = "frame"  # at the next codec frame
    LOAD = "load"  # when another codec has been loaded
    SESSION = "session"  # when the session's own thread has handled it
    RESTART = "restart"  # when the stream has been restarted


@dataclass(frozen=True)
class Parameter:
    """Row of the parameter table. A range is inclusive.

    A vector has `size` elements, each of `kind`, and a tuple as its value.
    """

    name: str
    kind: type
    default: Any
    when: When
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    size: int = 0  # elements; 0: a single value
    clamp: bool = False  # OSC values outside the range are clipped to it, not refused
    path: str = ""  # of the OSC address, where it differs from the name
    local: bool = False  # command line only: it runs code, and OSC has no passwords

    @property
    def changes_live(self) -> bool:
        """True if a change takes effect in the running stream: at the next block or frame."""
        return self.when in (When.BLOCK, When.FRAME)

    @property
    def address(self) -> str:
        """OSC address."""
        return "/verdigris/" + (self.path or self.name.replace(".", "/"))

    @property
    def allowed(self) -> str:
        """Description of the allowed values."""
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

        A vector takes text with commas, a sequence of all its elements, or one value for all of
        them.
        """
        if not self.size:
            return self.parse_element(given, clamp=clamp)
        items = given.split(",") if isinstance(given, str) else given
        if not isinstance(items, tuple | list):
            items = [items]
        if len(items) == 1:
            items = list(items) * self.size
        if len(items) != self.size:
            raise ParameterError(
                f"{self.name} has {self.size} elements, {len(items)} were given. Pass all of them, or one for all."
            )
        return tuple(self.parse_element(item, clamp=clamp) for item in items)

    def parse_element(self, given: Any, *, clamp: bool = False) -> Any:
        """Return the value of one element of a vector, or of a parameter that is not a vector."""
        try:
            value = self._coerce(given)
        except (ValueError, TypeError, OverflowError):
            value = None
        if clamp and self.clamp and isinstance(value, int | float) and math.isfinite(value):
            low, high = (-math.inf, math.inf) if self.low is None or self.high is None else (self.low, self.high)
            value = self.kind(min(max(value, low), high))
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
    """An element of a vector as it is written in names and addresses: zero-padded, so that patterns
    work.
    """
    return f"{index:0{max(2, len(str(row.size - 1)))}}"
