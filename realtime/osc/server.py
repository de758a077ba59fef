"""OSC server: one thread between the sockets and the engine. docs/osc.md documents its messages.

The path of a message is `parse` (requests.py), then `_schedule` if it has a timetag, then `_apply`.
Each step of the thread reads all packets, applies the requests that are due by the sample clock,
gives the coalesced edits to the engine, and sends answers and subscriptions. The thread sleeps only
in `select`.
"""

from __future__ import annotations

import collections
import contextlib
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from realtime.engine.engine import Engine
from realtime.engine.rack_change import RackChange
from realtime.engine.session_requests import SessionRequest, SessionRequestQueue
from realtime.osc import commands
from realtime.osc.address_space import AddressSpace, Target
from realtime.osc.clients import Client, Clients
from realtime.osc.device_list import DeviceList
from realtime.osc.edits import EditQueue
from realtime.osc.learn import Bindings
from realtime.osc.packet import Fault, Message, PacketError, decode_parts, encode
from realtime.osc.replies import pairs, rack_offer
from realtime.osc.requests import Call, Edits, Get, Request, UnknownError, edits_by_name, parse
from realtime.osc.sample_clock import SampleClock, Schedule
from realtime.osc.snapshots import Snapshots
from realtime.osc.subscriptions import SAMPLES, Publisher
from realtime.osc.transport import Transport
from realtime.parameters.table import ParameterError, When, element_name
from realtime.system.arg_parser import escape_control_chars
from realtime.timeline.layout import Field
from realtime.worker.handle import EngineError
from realtime.worker.messages import EffectsChanged

PORT = 9130
HOST = "127.0.0.1"  # OSC has no authentication
POLL_S = 0.002  # timeout of a step while there are scheduled requests, subscriptions or open acknowledgements
IDLE_S = 0.05  # timeout of a step otherwise
FRAME_LEAD_S = 0.1  # a scheduled frame parameter goes to the worker this much before its sample
BLOCK_LEAD_S = 0.004  # a scheduled block parameter is set at most this much before its sample; at most a block
MAX_AHEAD_S = 60.0  # a timetag further ahead comes from a wrong clock
WRONG_CLOCK_DELAY_S = 0.2  # after which such a message is applied
MAX_REPORTED = 20  # different failures of our own that the console shows
Entry = tuple[Request, int]  # request, input sample


@dataclass(frozen=True)
class _Answer:
    """Message to a client, or to all of them, from another thread."""

    client: Client | None
    address: str
    args: tuple[Any, ...]


class OscServer:
    """OSC server of a stream. OscError from the constructor if the port is not available.

    Call `start`, `attach` and `stop` from one thread; or call `step` from one thread instead.
    """

    def __init__(
        self,
        engine: Engine,
        port: int = PORT,
        host: str = HOST,
        *,
        device: str = "",
        device_facts: Callable[[], Mapping[str, Any]] = dict,
        requests: SessionRequestQueue | None = None,
        directory: Path | None = None,
        say: Callable[[str], None] = lambda line: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Open the port and bind to the engine's stream.

        `device_facts` returns names and values of the driver. `requests` carries requests to the
        live session, if there is one. Snapshots are stored in `directory`, if given. `say` prints a
        line on the console. `wall` is the clock that timetags are compared with, in Unix seconds.
        """
        self.device, self.device_facts, self.dump = device, device_facts, 0
        self._say, self._wall, self._session_requests = say, wall, requests
        self.transport = Transport(host, port)
        self.port = self.transport.port
        if self.transport.tcp_problem:
            say(self.transport.tcp_problem)
        self.clients = Clients()
        self.snapshots, self.device_list = Snapshots(directory, engine.table, say), DeviceList()
        self.bindings = Bindings(engine.table)
        self._learner: Client | None = None
        self._rack_client: Client | None = None  # waits for the change of effects
        self._events: collections.deque[object] = collections.deque()
        self._received = self._bad = self._errors = self._late = self._failed = 0
        self._reported: set[str] = set()  # failures of our own that the console has shown
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._bind(engine)

    def _bind(self, engine: Engine) -> None:
        self.engine, self._space = engine, AddressSpace(engine.table)
        self.bindings.table = engine.table
        self.snapshots.use_table(engine.table)
        self._clock = SampleClock(engine.timeline)
        self._block_lead = min(engine.timeline[Field.MAX_BLOCK], round(BLOCK_LEAD_S * self._clock.rate))
        self.schedule: Schedule[Entry] = Schedule()
        self.edits = EditQueue(engine, self._clock, self.send, self.request_session)
        self.publisher = Publisher(engine, self.clients, self.send, self.device)
        engine.listen(self._events.append)

    def attach(self, engine: Engine) -> None:
        """Continue with another stream; clients and subscriptions stay, scheduled requests are
        dropped.
        """
        running = self._thread is not None
        self._pause()
        self._guard(self.edits.abandon, "the stream was restarted meanwhile. Send it again.")
        self._bind(engine)
        if running:
            self.start()

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="verdigris-osc", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, send the answers that wait, and close the port."""
        self._pause()
        self._guard(self._send_events, time.perf_counter())
        self.transport.close()

    def _pause(self) -> None:
        self._stopping = True
        self.transport.wake()
        if self._thread:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stopping:
            busy = len(self.schedule) or self.edits.waiting or self.clients.groups()
            failed = self._failed
            self.step(POLL_S if busy else IDLE_S)
            if self._failed > failed:
                time.sleep(POLL_S)  # a failure that repeats does not take a core

    def step(self, timeout: float = 0.0) -> None:
        """Do one turn of the thread; wait up to `timeout` seconds for a packet.

        An error in one part is counted and reported, and does not affect the others.
        """
        for part in (
            partial(self._receive_all, timeout),
            self._apply_due,
            self.edits.flush,
            self.engine.process_events,
        ):
            self._guard(part)
        now = time.perf_counter()
        for timed in (self._send_events, self._send_lists, self._expire, self.publisher.tick):
            self._guard(timed, now)

    def _guard(self, part: Callable[..., object], *args: object) -> None:
        """Run a part of a turn. No error of it ends the server."""
        try:
            part(*args)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not end a performance
            self._report(error)

    def _report(self, error: Exception) -> None:
        """Count a failure of our own, and show it on the console once."""
        self._failed += 1
        line = f"OSC: {type(error).__name__}: {error}. Please report this."[:500]
        if line not in self._reported and len(self._reported) < MAX_REPORTED:
            self._reported.add(line)
            with contextlib.suppress(Exception):  # the console may be what has failed
                self._say(line)

    def _receive_all(self, timeout: float) -> None:
        for key, data in self.transport.receive(timeout):
            self._guard(self._receive, key, data)

    def _apply_due(self) -> None:
        """Apply the scheduled requests whose sample has come."""
        self._clock.update(self._wall())
        for request, at in self.schedule.due(self._clock.position):
            self._try(request.client, request.address, partial(self._apply, request, at))

    def _send_events(self, now: float) -> None:
        while self._events:
            self._guard(self._send_event, self._events.popleft(), now)

    def _send_event(self, event: object, now: float) -> None:
        if isinstance(event, _Answer):
            for client in [event.client] if event.client else list(self.clients):
                self.send(client, event.address, *event.args)
        if isinstance(event, EffectsChanged):
            self._on_effects(event)
        self.edits.acknowledge(event)
        self.publisher.publish_frame(event, now)

    def _send_lists(self, now: float) -> None:
        for client, devices in self.device_list.finished(self.device_facts):
            self._send_devices(client, devices)

    def _expire(self, now: float) -> None:
        self.clients.expire(now, self.transport.connections)

    def send(self, client: Client, address: str, *args: object) -> bool:
        """Send one message to a client. False if it was dropped, since the client does not read."""
        return self.transport.send(client.key, encode(address, *args), self.engine.parameters["osc.reply_port"])

    def announce(self, address: str, *args: object) -> None:
        """Send one message to all clients. Any thread; it leaves with the next step."""
        self._events.append(_Answer(None, address, args))

    def _send_devices(self, client: Client, devices: list[dict[str, Any]] | str) -> None:
        if isinstance(devices, str):
            reason, _, remedy = devices.partition(". ")
            self._refuse(client, "/verdigris/devices", reason, remedy)
            return
        for number, device in enumerate(devices, start=1):
            self.send(client, "/verdigris/devices", number, len(devices), *pairs(device))
        if not devices:
            self.send(client, "/verdigris/devices", 0, 0)

    def change(self, client: Client, wanted: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Set parameters by name now: all, or none with ParameterError."""
        edits = [edit for name, args in wanted for edit in edits_by_name(name, args, client, self._space)]
        self.edits.check(edits)
        self.edits.submit(edits)

    def learn(self, client: Client, name: str) -> None:
        """Bind the next foreign address to this parameter, and notify this client; "" stops
        learning.
        """
        self.bindings.learn(name)
        self._learner = client

    def parameter_name(self, given: str) -> str:
        """Return the name of a parameter that is given by its name or address; others as given."""
        return self._space.parameter_name(given)

    def change_racks(self, client: Client, change: RackChange) -> None:
        """Load other effects; this client gets /verdigris/done or /verdigris/fail."""
        self.edits.flush()  # so that values just set go with their effects
        try:
            self.engine.change_racks(change)
        except EngineError as error:
            raise ParameterError(str(error)) from error
        self._rack_client = client

    def _on_effects(self, event: EffectsChanged) -> None:
        """Take the new effects into the address space, and tell the clients."""
        client, self._rack_client = self._rack_client, None
        if not event.reason:
            self._space = AddressSpace(self.engine.table)
            self.bindings.table = self.engine.table
            self.snapshots.use_table(self.engine.table)
        if client:
            answer = ("/verdigris/fail", "rack", event.reason) if event.reason else ("/verdigris/done", "rack")
            self.send(client, *answer, *rack_offer(event, self.engine.settings.rate))
        if not event.reason:
            for other in list(self.clients):
                self.send(other, "/verdigris/rack/changed")

    def request_session(self, clients: Sequence[Client], what: str, args: tuple[Any, ...] = ()) -> None:
        """Queue a request to the session; these clients get /verdigris/done or /verdigris/fail when
        it is finished.
        """
        if self._session_requests is None:
            raise ParameterError(f"{what} needs a live session, and there is none here. Start verdigris live.")

        def answer(word: str, text: str) -> None:
            self._events.extend(_Answer(client, f"/verdigris/{word}", (what, text)) for client in clients)

        self._session_requests.put(SessionRequest(what, args, answer))

    def counts(self) -> dict[str, int]:
        """Return how many messages were received, applied, dropped …, by the names of
        /verdigris/counts.
        """
        return {
            "received": self._received,
            "bad_packets": self._bad,
            "errors": self._errors,
            "coalesced": self.edits.counts.coalesced,
            "applied": self.edits.counts.applied,
            "unheard": self.edits.counts.superseded,
            "late": self._late,
            "scheduled": len(self.schedule),
            "kernel_drops": self.transport.kernel_drops,
            "unsent": self.transport.unsent,
            "failed": self._failed,
        }

    def _receive(self, key: Hashable, data: bytes | PacketError) -> None:
        client = self.clients.touch(key, time.perf_counter(), connected=key in self.transport.connections)
        messages, faults = ([], [Fault("?", str(data))]) if isinstance(data, PacketError) else decode_parts(data)
        self._bad += bool(faults)
        for fault in faults:
            self._refuse(client, fault.address, f"not OSC: {fault.reason}", "Send OSC 1.0 messages or bundles.")
        self._received += len(messages)
        for message in messages:
            if self.dump:
                line = escape_control_chars(f"{key} {message.address} {' '.join(map(str, message.args))}")[:500]
                self._guard(self._say, line)
            self._try(client, message.address, partial(self._handle, client, message))

    def _handle(self, client: Client, message: Message) -> None:
        """Parse a message; then apply it now or schedule it. ParameterError if it is refused."""
        self._learn_from(message)
        request = parse(message, client, self._space, self.bindings)
        if isinstance(request, Edits):
            self.edits.check(request.edits)  # refused now rather than at its time
        at = None if message.time is None else self._sample_of(message.time, client, message.address)
        if at is None or isinstance(request, Get):
            self._apply(request)
        else:
            self._schedule(request, at)

    def _schedule(self, request: Call | Edits, at: int) -> None:
        """Keep a request until it is due for input sample `at`.

        A command runs in the block that holds the sample. A frame parameter is sent to the worker
        FRAME_LEAD_S ahead.
        """
        if isinstance(request, Call):
            self._wait(at - self._block_lead + 1, request, at)
            return
        frame_lead = round(FRAME_LEAD_S * self._clock.rate)
        for by_frame, lead in ((False, self._block_lead - 1), (True, frame_lead)):
            edits = [edit for edit in request.edits if (edit.parameter.when == When.FRAME) == by_frame]
            if edits:
                self._wait(at - lead, replace(request, edits=edits), at)

    def _wait(self, release: int, request: Request, at: int) -> None:
        if not self.schedule.add(release, (request, at)):
            raise ParameterError(f"{len(self.schedule)} bundles wait already. Send /verdigris/clear, or fewer.")

    def _apply(self, request: Request, at: int | None = None) -> None:
        """Do what a request asks; `at` is the input sample of a scheduled one."""
        if isinstance(request, Call):
            commands.run(self, request.client, request.address, request.args)
        elif isinstance(request, Edits):
            self.edits.submit(request.edits, at)
        else:
            self.edits.flush()  # so that the answer has the values just set
            for target in request.targets:
                self._send_value(request.client, target)

    def _send_value(self, client: Client, target: Target) -> None:
        row = target.parameter
        value = self.engine.parameters[row.name]
        if target.index is None:
            self.send(client, row.address, value)
        else:
            self.send(client, f"{row.address}/{element_name(row, target.index)}", value[target.index])

    def _learn_from(self, message: Message) -> None:
        """Bind the address of a message if a client waits to learn one, and notify that client."""
        known = self._space.find(message.address)
        if not known and self.bindings.try_learn(message.address, message.args) and self._learner:
            self.send(self._learner, "/verdigris/done", "learn", message.address)

    def _sample_of(self, time_tag: float, client: Client, address: str) -> int | None:
        """Return the input sample of a timetag in Unix seconds; None if it applies at once."""
        self._clock.update(self._wall())
        wanted, now = self._clock.sample_at(time_tag), self._clock.position
        if wanted > now + MAX_AHEAD_S * self._clock.rate:
            seconds = (wanted - now) / self._clock.rate
            reason = f"a timetag {seconds:.0f} s ahead; applied in {WRONG_CLOCK_DELAY_S} s"
            self._refuse(client, address, reason, "Set the clock.")
            return now + round(WRONG_CLOCK_DELAY_S * self._clock.rate)
        if wanted < now - self._block_lead:
            self._late += 1
            self.send(client, "/verdigris/late", wanted % SAMPLES, now % SAMPLES)
            return None
        return wanted if wanted > now else None

    def _try(self, client: Client, address: str, action: Callable[[], None]) -> None:
        """Run an action; answer any error as /verdigris/error."""
        try:
            action()
        except UnknownError as error:
            self._refuse(client, address, error.reason, error.remedy)
        except ParameterError as error:
            reason, _, remedy = str(error).partition(". ")
            self._refuse(client, address, reason, remedy)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not end a performance
            self._report(error)
            self._refuse(client, address, f"it failed: {type(error).__name__}: {error}", "Please report this.")

    def _refuse(self, client: Client, address: str, reason: str, remedy: str | Callable[[], str]) -> None:
        """Answer an error; `remedy` is called only if the client may get another one."""
        self._errors += 1
        if client.allow_error(time.perf_counter()):
            remedy = remedy if isinstance(remedy, str) else remedy()
            more = f" (and {client.unanswered} more errors)" if client.unanswered else ""
            client.unanswered = 0
            self.send(client, "/verdigris/error", address[:255], reason[:500] + more, remedy[:500])
