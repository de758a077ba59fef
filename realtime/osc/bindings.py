"""Addresses of others: a fader of a controller that sends what it likes, bound to a parameter of ours.

A number from 0 to 1 goes through the parameter's range; a switch is on above a half; a choice is taken by its part of
the range. While something is learned, the next address that is not ours and brings a number is bound to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from realtime.osc.addresses import ROOT
from realtime.params import Parameter, ParameterError

MOST = 256


class Bindings:
    """One thread."""

    def __init__(self, table: Mapping[str, Parameter]) -> None:
        self.table = table  # of the stream that plays
        self._bound: dict[str, str] = {}
        self.learning = ""  # name of the parameter that the next address is for

    def learn(self, name: str) -> None:
        """Wait for an address for this parameter; "" waits no more. ParameterError if no fader can move it."""
        if name:
            self._row(name)
        self.learning = name

    def bind(self, address: str, name: str) -> None:
        """From now on this address moves that parameter; "" unbinds it.

        ParameterError if it is ours or no address, or if no fader can move that parameter.
        """
        if not name:
            self._bound.pop(address, None)
            return
        if not _of_others(address):
            raise ParameterError(f'"{address}" cannot be bound. Pass an address not ours, such as /fader/1.')
        self._row(name)
        if len(self._bound) >= MOST and address not in self._bound:
            raise ParameterError(f"{MOST} addresses are bound already. Unbind one: /verdigris/bind address.")
        self._bound[address] = name

    def takes(self, address: str, args: Sequence[Any]) -> bool:
        """Whether what is learned is now bound to this address."""
        if not self.learning or not _of_others(address) or not args or not _is_number(args[0]):
            return False
        self.bind(address, self.learning)
        self.learning = ""
        return True

    def value(self, address: str, args: Sequence[Any]) -> tuple[str, Any] | None:
        """The parameter that a message moves, and where to; None if it moves none."""
        name = self._bound.get(address, "")
        if name not in self.table or not args or not isinstance(args[0], int | float):
            return None
        if not math.isfinite(args[0]):
            raise ParameterError(f"{args[0]} is no part of a range. Pass a number from 0 to 1.")
        return name, _scaled(self.table[name], min(max(float(args[0]), 0.0), 1.0))

    def _row(self, name: str) -> Parameter:
        row = self.table.get(name)
        if row is None or row.local or row.size or not (row.choices or row.kind is bool or row.low is not None):
            raise ParameterError(
                f"parameter {name} cannot be moved by a fader. Pass one that is a number, a switch or a choice."
            )
        return row


def _of_others(address: str) -> bool:
    return address.startswith("/") and not f"{address}/".startswith(ROOT)


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and math.isfinite(given)


def _scaled(row: Parameter, part: float) -> Any:
    """A part from 0 to 1 of the parameter's range."""
    if row.kind is bool:
        return part > 0.5
    if row.choices:
        return row.choices[min(int(part * len(row.choices)), len(row.choices) - 1)]
    assert row.low is not None
    assert row.high is not None
    value = row.low + part * (row.high - row.low)
    return round(value) if row.kind is int else value
