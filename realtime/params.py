"""The table of parameters: everything that can be controlled, once.

Command-line flags, --set, their validation and their help are derived from it, as are OSC addresses and the window's
controls. Slot parameters are written `a.steps` and `b.steps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class ParameterError(ValueError):
    """A name or value that the table does not allow; the message says what it does."""


@dataclass(frozen=True)
class Parameter:
    """One row. A range is inclusive; `when` is what a change waits for: block, frame or restart."""

    name: str
    kind: type
    default: Any
    when: str
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""

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

    def parse(self, given: Any) -> Any:
        """The value, or ParameterError. Text is read; numbers are taken where nothing is lost."""
        try:
            value = self._coerce(given)
        except (ValueError, TypeError, OverflowError):
            value = None
        in_choices = not self.choices or value in self.choices
        in_range = self.low is None or (value is not None and self.high is not None and self.low <= value <= self.high)
        if value is None or not in_choices or not in_range:
            raise ParameterError(f'{self.name} "{given}" is not allowed. Pass {self.allowed}.')
        return value

    def _coerce(self, given: Any) -> Any:
        if self.kind is bool:
            return {"on": True, "off": False, "true": True, "false": False, "1": True, "0": False}.get(
                str(given).lower()
            )
        if self.kind is int and isinstance(given, float) and given != int(given):
            return None
        return self.kind(given)


def _slot(slot: str, codec: str) -> tuple[Parameter, ...]:
    name = slot.upper()
    return (
        Parameter(f"{slot}.codec", str, codec, "restart", f"codec of slot {name}, and its path after a colon"),
        Parameter(f"{slot}.steps", int, 2, "frame", f"decoding steps of slot {name}", 1, 8),
        Parameter(
            f"{slot}.context_noise", float, 0.4, "frame", f"noise on the past that slot {name} decodes from", 0, 1
        ),
        Parameter(f"{slot}.seed", int, 0, "frame", f"seed of slot {name}'s decoding noise", 0, 2**31 - 1),
    )


PARAMETERS: dict[str, Parameter] = {
    p.name: p
    for p in (
        Parameter("monitor", str, "a", "block", "what is heard", choices=("dry", "a", "b", "delta")),
        Parameter("gain", float, 0.0, "block", "output gain", -60, 12, unit="dB"),
        Parameter("fill", str, "dry", "block", "what a hole is filled with", choices=("dry", "silence")),
        Parameter("limiter", bool, True, "frame", "keep wet below full scale"),
        Parameter("adapt", bool, False, "block", "step down by itself when compute is short, and up again"),
        *_slot("a", "opus:6"),
        *_slot("b", "opus:24"),
        Parameter("rate", int, 48_000, "restart", "sample rate of the stream", 8_000, 192_000, unit="Hz"),
        Parameter("block", int, 256, "restart", "samples handed over at once", 1, 8192),
        Parameter(
            "precision", str, "float32", "restart", "what networks compute in", choices=("float32", "bfloat16", "auto")
        ),
        Parameter("latency", int, 0, "restart", "latency to reserve at least; 0 is as little as it takes", 0, 2**20),
    )
}


def parse(name: str, given: Any) -> Any:
    """A value for the parameter of that name; ParameterError if there is none or it may not be that."""
    if name not in PARAMETERS:
        raise ParameterError(f"parameter {name} is unknown. There are {', '.join(PARAMETERS)}.")
    return PARAMETERS[name].parse(given)


def parse_assignment(text: str) -> tuple[str, Any]:
    """NAME=VALUE as of --set."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ParameterError(f"--set {text} is no NAME=VALUE. Pass such as --set monitor=b.")
    return name, parse(name, value)
