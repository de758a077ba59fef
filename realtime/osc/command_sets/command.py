"""Declaration of an OSC command, and the part of the server that commands use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from realtime.engine.engine import Engine
from realtime.engine.rack_change import RackChange
from realtime.osc.clients import Client
from realtime.osc.device_list import DeviceList
from realtime.osc.edits import EditQueue
from realtime.osc.learn import Bindings
from realtime.osc.sample_clock import Schedule
from realtime.osc.snapshots import Snapshots
from realtime.osc.subscriptions import Publisher
from realtime.parameters.table import ParameterError

MAX_NAMES_LISTED = 16  # in an error's remedy


class Server(Protocol):
    """Part of the OSC server that commands use."""

    engine: Engine
    device: str
    dump: int
    schedule: Schedule[Any]
    edits: EditQueue
    publisher: Publisher
    snapshots: Snapshots
    bindings: Bindings
    device_list: DeviceList

    @property
    def device_facts(self) -> Callable[[], Mapping[str, Any]]: ...
    def send(self, client: Client, address: str, *args: object) -> bool: ...
    def change(self, client: Client, wanted: Sequence[tuple[str, Sequence[Any]]]) -> None: ...
    def learn(self, client: Client, name: str) -> None: ...
    def parameter_name(self, given: str) -> str: ...
    def request_session(self, clients: Sequence[Client], what: str, args: tuple[Any, ...] = ()) -> None: ...
    def change_racks(self, client: Client, change: RackChange) -> None: ...
    def counts(self) -> dict[str, int]: ...


@dataclass(frozen=True)
class Command:
    """Command at an address, with its documentation.

    Its arguments are numbers and text; without `arguments` it gets none. `run` may raise
    ParameterError. None: `requests.parse` turns the message into edits, so that they can be
    scheduled.
    """

    address: str
    arguments: str
    help: str
    response: str  # address and arguments of the answers; empty if there is none
    run: Callable[[Server, Client, tuple[Any, ...]], None] | None


def one_of(args: tuple[Any, ...], what: str, allowed: Collection[str]) -> str:
    """Return the first argument if it is allowed; ParameterError lists the allowed names, or
    docs/osc.md if many.
    """
    given = args[0] if args else None
    if given not in tuple(allowed):
        reason = f"{what} {given} is not known" if args else f"no {what} was given"
        listed = f"one of {', '.join(allowed)}" if len(allowed) <= MAX_NAMES_LISTED else f"a {what} of docs/osc.md"
        raise ParameterError(f"{reason}. Pass {listed}.")
    return str(given)
