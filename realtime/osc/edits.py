"""Edits of parameters: check, coalesce until the next flush, apply to the engine, acknowledge to
the clients.

Between two steps of the server the last value of a parameter wins, element by element for vectors;
replaced values are counted. The clients get `/verdigris/applied` when the first sample of the
change is known.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.load import split_codec_path
from realtime.engine.engine import Engine
from realtime.osc.address_space import Target
from realtime.osc.clients import Client
from realtime.osc.sample_clock import SampleClock
from realtime.parameters.table import Parameter, ParameterError, When
from realtime.timeline.layout import SLOTS
from realtime.timeline.monitor_mix import uses_b
from realtime.worker.messages import ChangeApplied, CodecLoaded

MAX_TICKETS = 10_000  # tickets that may wait for an answer
Send = Callable[..., bool]  # (client, address, *arguments); False if it was dropped
RequestSession = Callable[[Sequence[Client], str, tuple[Any, ...]], None]  # (clients, name, arguments)


@dataclass(frozen=True)
class ParameterEdit:
    """Checked value for a parameter, or for some elements of a vector."""

    parameter: Parameter
    value: Any  # the whole value, or {index: element}
    client: Client


@dataclass
class _Coalesced:
    """Latest value of a parameter since the last flush, and the clients that set it."""

    parameter: Parameter
    value: Any
    clients: list[Client]


@dataclass
class _Ticket:
    """Change that the engine has not acknowledged yet."""

    name: str
    clients: list[Client]
    scheduled: bool


@dataclass
class EditCounts:
    """Numbers of edits by outcome."""

    applied: int = 0
    coalesced: int = 0
    superseded: int = 0  # sent to the worker, and replaced before their frame
    refused: int = 0
    by_name: dict[str, int] = field(default_factory=dict)


def read_edits(target: Target, args: Sequence[Any], client: Client) -> list[ParameterEdit]:
    """Return the edits of a target by the arguments of a message; ParameterError if they are not
    allowed.
    """
    row = target.parameter
    if row.when == When.RESTART:
        raise ParameterError(f"{row.name} is fixed while a stream runs. Send /verdigris/restart {row.name} {args[0]}.")
    if row.local:
        raise ParameterError(f"{row.name} runs your own code. Start with --set {row.name}=VALUE.")
    items = [item for arg in args for item in (arg if isinstance(arg, list | tuple) else [arg])]
    if target.is_range:
        start, count = _whole(row, items, 0), _whole(row, items, 1)
        values = items[2:]
        if count != len(values) or not 0 <= start <= start + count <= row.size:
            raise ParameterError(
                f"{len(values)} values for {count} elements from {start} of {row.name}, which has {row.size}. "
                "Pass start, n, and n values."
            )
        return [ParameterEdit(row, {start + i: row.parse_element(v, clamp=True) for i, v in enumerate(values)}, client)]
    if target.index is not None:
        return [ParameterEdit(row, {target.index: row.parse_element(_one(row, items), clamp=True)}, client)]
    return [ParameterEdit(row, row.parse(items if row.size else _one(row, items), clamp=True), client)]


def _one(row: Parameter, items: list[Any]) -> Any:
    if len(items) != 1:
        raise ParameterError(f"{row.name} takes one value, got {len(items)}. Pass {row.allowed}.")
    return items[0]


def _whole(row: Parameter, items: list[Any], place: int) -> int:
    try:
        return int(items[place])
    except (IndexError, TypeError, ValueError, OverflowError):
        raise ParameterError(f"a range of {row.name} without start and n. Pass start, n, and n values.") from None


class EditQueue:
    """Edits of a stream that wait for `flush`, and those that wait for their acknowledgement.

    One thread.
    """

    def __init__(self, engine: Engine, clock: SampleClock, send: Send, request_session: RequestSession) -> None:
        """`send` sends a message to a client; `request_session` queues a request to the live
        session.
        """
        self.engine, self.counts = engine, EditCounts()
        self._clock, self._send, self._request_session = clock, send, request_session
        self._pending: dict[tuple[str, int | None], _Coalesced] = {}
        self._tickets: dict[int, _Ticket] = {}
        self._last_ticket = 0

    def submit(self, edits: Sequence[ParameterEdit], at: int | None = None) -> None:
        """Keep edits until `flush`; frame parameters then wait for the frame that holds input
        sample `at`.
        """
        for edit in edits:
            key = (edit.parameter.name, at)
            before = self._pending.pop(key, None)  # moves to the end: parameters keep the order of their last edits
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
            self._pending[key] = _Coalesced(edit.parameter, value, clients)

    def check(self, edits: Sequence[ParameterEdit]) -> None:
        """Raise ParameterError if this stream cannot take an edit that the table allows."""
        for edit in edits:
            if edit.parameter.when == When.LOAD and edit.value == "off":
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
        """Apply the pending edits to the engine."""
        pending, self._pending = self._pending, {}
        for (name, at), waiting in pending.items():
            try:
                self._apply(name, at, waiting)
            except Exception as error:  # noqa: BLE001 - one edit that fails costs no other
                for client in waiting.clients:
                    self._send(client, "/verdigris/fail", name, str(error)[:500])

    def _apply(self, name: str, at: int | None, waiting: _Coalesced) -> None:
        value = waiting.value
        if isinstance(value, dict):
            value = tuple(value.get(i, old) for i, old in enumerate(self.engine.parameters[name]))
        self.counts.applied += 1
        if waiting.parameter.when == When.SESSION:
            self._request_session(waiting.clients, name, (value,))
            return
        silent = name.startswith("osc.")  # where answers go is not heard
        ticket = 0 if silent else self._ticket(name, waiting.clients, at is not None)
        if waiting.parameter.when == When.LOAD:
            codec, path = split_codec_path(value)
            self.engine.swap(SLOTS.index(name[0]), codec, path, ticket=ticket)
        else:
            self.engine.set(name, value, at=at, ticket=ticket)

    def abandon(self, reason: str) -> None:
        """Answer the codec changes that wait, since their stream has ended."""
        for ticket in self._tickets.values():
            row = self.engine.table.get(ticket.name)  # None: of an effect that was removed
            if row and row.when == When.LOAD:
                for client in ticket.clients:
                    self._send(client, "/verdigris/fail", ticket.name, reason)
        self._tickets.clear()

    @property
    def waiting(self) -> bool:
        """True while a change is not acknowledged."""
        return bool(self._tickets)

    def _ticket(self, name: str, clients: list[Client], scheduled: bool) -> int:
        self._last_ticket += 1
        if len(self._tickets) >= MAX_TICKETS:  # the worker does not answer: drop the oldest
            self._tickets.pop(next(iter(self._tickets)))
        self._tickets[self._last_ticket] = _Ticket(name, clients, scheduled)
        return self._last_ticket

    def acknowledge(self, event: object) -> None:
        """Send the clients the outcome of their changes, if an engine event has one."""
        if isinstance(event, ChangeApplied):
            self._applied(event)
        elif isinstance(event, CodecLoaded):
            waiting = self._tickets.get(event.ticket)
            for client in waiting.clients if waiting else ():
                assert waiting is not None
                if event.reason:
                    self._send(client, "/verdigris/fail", waiting.name, event.reason, *self._offer(event))
                else:
                    self._send(client, "/verdigris/done", waiting.name, event.codec)
            if event.reason:
                self._tickets.pop(event.ticket, None)

    def _offer(self, event: CodecLoaded) -> tuple[int, float, str] | tuple[()]:
        """Return what would help: a latency in samples and ms, and the command that restarts with it.

        For a codec that the user has to allow first, the numbers are 0, and the command is one of a
        shell.
        """
        if event.offer:
            return 0, 0.0, event.offer
        if not event.needed:
            return ()
        command = ["/verdigris/restart", f"{SLOTS[event.slot]}.codec", event.codec, "latency", str(event.needed)]
        return event.needed, 1000.0 * event.needed / self.engine.settings.rate, shlex.join(command)

    def _applied(self, event: ChangeApplied) -> None:
        ticket = self._tickets.pop(event.ticket, None)
        if ticket is None:
            return
        # earlier unscheduled changes of the same parameter have been superseded
        for number, other in list(self._tickets.items()):
            if number < event.ticket and other.name == ticket.name and not other.scheduled:
                del self._tickets[number]
                self.counts.superseded += 1
        seconds = float(max(0.0, self._clock.seconds_until(event.audible)))
        row = self.engine.table.get(event.name)
        if row is None:  # the effect was removed meanwhile
            return
        address = row.address
        for client in ticket.clients:
            sample = event.audible % 2**31
            self._send(client, "/verdigris/applied", event.name, event.frame, sample, seconds, address)
