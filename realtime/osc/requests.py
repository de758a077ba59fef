"""Parsing of OSC messages into requests: call a command, get parameters, or edit parameters.

A message becomes a request by `parse`; the server then schedules the request or applies it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from realtime.osc.address_space import AddressSpace, Target, nearest
from realtime.osc.arguments import plain
from realtime.osc.clients import Client
from realtime.osc.commands import COMMANDS
from realtime.osc.edits import ParameterEdit, read_edits
from realtime.osc.learn import Bindings
from realtime.osc.packet import Message
from realtime.parameters.table import ParameterError, element_name

SET = "/verdigris/set"


@dataclass(frozen=True)
class Call:
    """Call of a command of COMMANDS."""

    client: Client
    address: str
    args: tuple[Any, ...]


@dataclass(frozen=True)
class Get:
    """Request for the values of parameters."""

    client: Client
    address: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Edits:
    """Checked values for parameters; applied together."""

    client: Client
    address: str
    edits: Sequence[ParameterEdit]


Request = Call | Get | Edits


class UnknownError(ParameterError):
    """Unknown address or name. The nearest known one is looked for when `remedy` is called."""

    def __init__(self, reason: str, given: str, known: Iterable[str], remedy: str) -> None:
        """`known` are the candidates; `remedy` says where all of them are listed."""
        super().__init__(f"{reason}. {remedy}")
        self.reason, self._given, self._known, self._remedy = reason, given, known, remedy

    def remedy(self) -> str:
        """Return the nearest known one, and where all are listed. Takes a few ms."""
        found = nearest(self._given, self._known)
        return f"The nearest is {found}. {self._remedy}" if found else self._remedy


def parse(message: Message, client: Client, space: AddressSpace, bindings: Bindings) -> Request:
    """Return the request that a message stands for; ParameterError if it is not allowed or not
    understood.
    """
    address = message.address
    if address == SET:
        return Edits(client, address, _pairs(plain(message.args), client, space))
    if address in COMMANDS:
        return Call(client, address, tuple(_flat(plain(message.args))) if COMMANDS[address].arguments else ())
    targets = space.find(address)
    if not targets:
        bound = bindings.value(address, message.args)
        if bound is None:
            raise _unknown_address(address, space)
        return Edits(client, address, edits_by_name(bound[0], bound[1:], client, space))
    args = plain(message.args)
    if not args:
        return Get(client, address, targets)
    return Edits(client, address, [edit for target in targets for edit in read_edits(target, args, client)])


def edits_by_name(name: str, args: Sequence[Any], client: Client, space: AddressSpace) -> list[ParameterEdit]:
    """Return the edits of a parameter or a pattern by name; ParameterError if it is unknown or not
    allowed.
    """
    targets = space.named(name)
    if not targets:
        known = (target.parameter.name for target in space.targets.values() if target.index is None)
        raise UnknownError(f"parameter {name} is unknown", name, known, "docs/osc.md lists all parameters.")
    return [edit for target in targets for edit in read_edits(target, args, client)]


def _unknown_address(address: str, space: AddressSpace) -> ParameterError:
    owner, _, element = address.rpartition("/")
    if element.isdecimal() and (vector := space.find(owner)) and vector[0].parameter.size:
        last = element_name(vector[0].parameter, vector[0].parameter.size - 1)
        return ParameterError(f"{owner} has no element {element}. Pass {'0' * len(last)} to {last}.")
    known = (*COMMANDS, *(known for known, target in space.targets.items() if target.index is None))
    remedy = "docs/osc.md lists all addresses, and so does an OSCQuery client."
    return UnknownError("no such address", address, known, remedy)


def _flat(args: Iterable[Any]) -> Iterable[Any]:
    """Yield arguments, and the elements of arrays among them."""
    for arg in args:
        if isinstance(arg, list):
            yield from _flat(arg)
        else:
            yield arg


def _pairs(args: tuple[Any, ...], client: Client, space: AddressSpace) -> list[ParameterEdit]:
    if len(args) % 2 or not args:
        raise ParameterError("names and values do not pair up. Pass name value name value ...")
    pairs = list(zip(args[::2], args[1::2], strict=True))
    pairs.sort(key=lambda pair: pair[0] == "record")  # last: a take starts with the other values, such as its directory
    return [edit for name, value in pairs for edit in edits_by_name(str(name), (value,), client, space)]
