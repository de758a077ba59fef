"""Bindings of foreign addresses, such as the faders of a controller, to parameters (OSC learn).

A number from 0 to 1 is scaled to the parameter's range; a switch is on above 0.5; choices divide
the range evenly. While a parameter is being learned, the next foreign address that sends a number
is bound to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from realtime.osc.address_space import ROOT
from realtime.parameters.table import Parameter, ParameterError

MAX_BINDINGS = 256


class Bindings:
    """Foreign addresses and the parameters that they control. One thread."""

    def __init__(self, table: Mapping[str, Parameter]) -> None:
        self.table = table  # of the current stream
        self._bound: dict[str, str] = {}
        self.learning = ""  # parameter that the next foreign address is bound to

    def learn(self, name: str) -> None:
        """Learn an address for this parameter; "" stops.

        ParameterError if a fader cannot control it.
        """
        if name:
            self._row(name)
        self.learning = name

    def bind(self, address: str, name: str) -> None:
        """Bind a foreign address to a parameter; name "" unbinds it.

        ParameterError if it is not a foreign address, or if a fader cannot control the parameter.
        """
        if not name:
            self._bound.pop(address, None)
            return
        if not _is_foreign(address):
            raise ParameterError(f'"{address}" cannot be bound. Pass an address outside {ROOT}, such as /fader/1.')
        self._row(name)
        if len(self._bound) >= MAX_BINDINGS and address not in self._bound:
            raise ParameterError(f"{MAX_BINDINGS} addresses are bound already. Unbind one: /verdigris/bind address.")
        self._bound[address] = name

    def try_learn(self, address: str, args: Sequence[Any]) -> bool:
        """Bind this address to the parameter being learned; return False if there is none or the
        message is unfit.
        """
        if not self.learning or not _is_foreign(address) or not args or not _is_number(args[0]):
            return False
        self.bind(address, self.learning)
        self.learning = ""
        return True

    def value(self, address: str, args: Sequence[Any]) -> tuple[str, Any] | None:
        """Return the parameter that a message controls and its new value, or None if the address is
        not bound.
        """
        name = self._bound.get(address, "")
        if name not in self.table:
            return None
        if not args or not _is_number(args[0]):
            given = args[0] if args else "nothing"
            raise ParameterError(f"{name} is bound to {address}, and {given} is not a number. Pass 0 to 1.")
        return name, _scaled(self.table[name], min(max(float(args[0]), 0.0), 1.0))

    def _row(self, name: str) -> Parameter:
        row = self.table.get(name)
        if row is None or row.local or row.size or not (row.choices or row.kind is bool or row.low is not None):
            raise ParameterError(
                f"parameter {name} cannot be controlled by a fader. Pass a number, a switch or a choice."
            )
        return row


def _is_foreign(address: str) -> bool:
    return address.startswith("/") and not f"{address}/".startswith(ROOT)


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and math.isfinite(given)


def _scaled(row: Parameter, part: float) -> Any:
    """Scale a part from 0 to 1 to the parameter's range."""
    if row.kind is bool:
        return part > 0.5
    if row.choices:
        return row.choices[min(int(part * len(row.choices)), len(row.choices) - 1)]
    assert row.low is not None
    assert row.high is not None
    value = row.low + part * (row.high - row.low)
    return round(value) if row.kind is int else value
