"""From messages to the engine's parameters: checked when they come, gathered until a boundary, acknowledged when heard.

Between two turns of the server the last value of a parameter wins, element by element for vectors; what it replaced is
counted. Who asked is told `/verdigris/applied` once it is known from which sample on the change is heard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.load import split_path
from realtime.engine import Engine
from realtime.mix import uses_b
from realtime.news import Applied, Loaded
from realtime.osc.addresses import Target
from realtime.osc.clients import Client
from realtime.osc.clock import SampleClock
from realtime.params import Parameter, ParameterError
from realtime.timeline import SLOTS

UNANSWERED = 10_000  # tickets that may wait for an answer
Tell = Callable[..., None]  # (client, address, *arguments)
Give = Callable[[Sequence[Client], str, tuple[Any, ...]], None]  # (clients, what, arguments)


@dataclass(frozen=True)
class Edit:
    """A checked value for a parameter, or for some elements of a vector."""

    parameter: Parameter
    value: Any  # whole, or {index: element}
    client: Client


@dataclass
class _Pending:
    """What waits for the boundary."""

    parameter: Parameter
    value: Any
    clients: list[Client]


@dataclass
class _Ticket:
    name: str
    clients: list[Client]
    scheduled: bool


@dataclass
class Counts:
    """What became of edits."""

    applied: int = 0
    coalesced: int = 0
    unheard: int = 0  # given to the worker, and replaced before its frame came
    refused: int = 0
    by_name: dict[str, int] = field(default_factory=dict)


def read_edits(target: Target, args: Sequence[Any], client: Client) -> list[Edit]:
    """What a message with arguments asks of a target; ParameterError if it may not be."""
    row = target.parameter
    if row.when == "restart":
        raise ParameterError(f"{row.name} is fixed while a stream runs. Send /verdigris/restart {row.name} {args[0]}.")
    if row.local:
        raise ParameterError(f"{row.name} runs code of yours. Start with --set {row.name}=VALUE.")
    items = [item for arg in args for item in (arg if isinstance(arg, list | tuple) else [arg])]
    if target.run:
        start, count = _whole(row, items, 0), _whole(row, items, 1)
        values = items[2:]
        if count != len(values) or not 0 <= start <= start + count <= row.size:
            raise ParameterError(
                f"{len(values)} values for {count} elements from {start} of {row.name}, which has {row.size}. "
                "Pass start, n, and n values."
            )
        return [Edit(row, {start + i: row.parse_element(v, clamp=True) for i, v in enumerate(values)}, client)]
    if target.index is not None:
        return [Edit(row, {target.index: row.parse_element(_one(row, items), clamp=True)}, client)]
    return [Edit(row, row.parse(items if row.size else _one(row, items), clamp=True), client)]


def _one(row: Parameter, items: list[Any]) -> Any:
    if len(items) != 1:
        raise ParameterError(f"{row.name} takes one value, {len(items)} were given. Pass {row.allowed}.")
    return items[0]


def _whole(row: Parameter, items: list[Any], place: int) -> int:
    try:
        return int(items[place])
    except (IndexError, TypeError, ValueError, OverflowError):
        raise ParameterError(f"a run of {row.name} without start and n. Pass start, n, and n values.") from None


class Control:
    """The engine as OSC sees it. One thread."""

    def __init__(self, engine: Engine, clock: SampleClock, tell: Tell, order: Give) -> None:
        """`order` has a live session do things, and clients told of it."""
        self.engine, self.counts = engine, Counts()
        self._clock, self._tell, self._order = clock, tell, order
        self._pending: dict[tuple[str, int | None], _Pending] = {}
        self._tickets: dict[int, _Ticket] = {}
        self._last_ticket = 0

    def submit(self, edits: Sequence[Edit], at: int | None = None) -> None:
        """Have edits wait for `flush`; frame parameters then for the frame that holds input sample `at`."""
        for edit in edits:
            key = (edit.parameter.name, at)
            before = self._pending.pop(key, None)  # to the end: order between parameters is that of the last edits
            value, clients = edit.value, [edit.client]
            if before:
                clients += [client for client in before.clients if client is not edit.client]
                if isinstance(value, dict):
                    if isinstance(before.value, dict):
                        self.counts.coalesced += not before.value.keys().isdisjoint(value)
                        value = {**before.value, **value}
                    else:
                        value = tuple(value.get(i, old) for i, old in enumerate(before.value))
                else:
                    self.counts.coalesced += 1
            self._pending[key] = _Pending(edit.parameter, value, clients)

    def check(self, edits: Sequence[Edit]) -> None:
        """ParameterError if one of them cannot be in this stream, though the table allows it."""
        for edit in edits:
            if edit.parameter.when == "load" and edit.value == "off":
                slot = edit.parameter.name[0]
                raise ParameterError(
                    "slot A is never off. Send /verdigris/restart b.codec off for one codec alone."
                    if slot == "a"
                    else "slot B is turned off by a restart. Send /verdigris/restart b.codec off."
                )
            if edit.parameter.name == "monitor" and uses_b(edit.value) and len(self.engine.playing) < len(SLOTS):
                raise ParameterError(
                    f"monitor {edit.value}: slot B is off. "
                    "Send /verdigris/restart b.codec CODEC first, or hear dry, a or delta."
                )

    def flush(self) -> None:
        """Give the engine what has been gathered."""
        pending, self._pending = self._pending, {}
        for (name, at), waiting in pending.items():
            value = waiting.value
            if isinstance(value, dict):
                value = tuple(value.get(i, old) for i, old in enumerate(self.engine.values[name]))
            self.counts.applied += 1
            if waiting.parameter.when == "session":
                self._order(waiting.clients, name, (value,))
                continue
            ticket = self._ticket(name, waiting.clients, at is not None)
            if waiting.parameter.when == "load":
                codec, path = split_path(value)
                self.engine.swap(SLOTS.index(name[0]), codec, path, ticket=ticket)
            else:
                self.engine.set(name, value, at=at, ticket=ticket)

    @property
    def waiting(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self._tickets)

    def _ticket(self, name: str, clients: list[Client], scheduled: bool) -> int:
        self._last_ticket += 1
        if len(self._tickets) >= UNANSWERED:  # a worker that answers nothing: give up on the oldest
            self._tickets.pop(next(iter(self._tickets)))
        self._tickets[self._last_ticket] = _Ticket(name, clients, scheduled)
        return self._last_ticket

    def hear(self, event: object) -> None:
        """Answer what an event of the engine answers."""
        if isinstance(event, Applied):
            self._applied(event)
        elif isinstance(event, Loaded):
            waiting = self._tickets.get(event.ticket)
            for client in waiting.clients if waiting else ():
                assert waiting is not None
                if event.reason:
                    self._tell(client, "/verdigris/fail", waiting.name, event.reason)
                else:
                    self._tell(client, "/verdigris/done", waiting.name, event.codec)
            if event.reason:
                self._tickets.pop(event.ticket, None)

    def _applied(self, event: Applied) -> None:
        ticket = self._tickets.pop(event.ticket, None)
        if ticket is None:
            return
        # earlier changes of the same parameter that were to hold at once have been replaced
        for number, other in list(self._tickets.items()):
            if number < event.ticket and other.name == ticket.name and not other.scheduled:
                del self._tickets[number]
                self.counts.unheard += 1
        for client in ticket.clients:
            seconds = self._clock.seconds_until(event.audible)
            self._tell(
                client, "/verdigris/applied", event.name, event.frame, event.audible % 2**31, float(max(0.0, seconds))
            )
