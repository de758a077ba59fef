"""The OSC server: one thread between sockets and engine. docs/osc.md says what it understands.

Each turn it reads what has come, does what the sample clock says is due, gives the engine what has been gathered, and
sends answers and streams. It sleeps only in `select`, and nothing that comes in can make it sleep longer.
"""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime.engine import Engine
from realtime.orders import Order, Orders
from realtime.osc import commands
from realtime.osc.addresses import Space
from realtime.osc.bindings import Bindings
from realtime.osc.clients import Client, Clients
from realtime.osc.clock import SampleClock, Schedule
from realtime.osc.control import Control, Edit, read_edits
from realtime.osc.facts import pairs
from realtime.osc.listing import Listing
from realtime.osc.packet import Message, PacketError, decode, encode
from realtime.osc.snapshots import Snapshots
from realtime.osc.streams import SAMPLES, Streams
from realtime.osc.transport import Transport
from realtime.params import ParameterError, element_name
from realtime.timeline import Field
from realtime.usage import one_line

PORT = 9130
HOST = "127.0.0.1"  # OSC has no authentication
TURN_S = 0.002  # while something is scheduled, streamed or waited for
IDLE_S = 0.05
LEAD_S = (
    0.1  # by which a scheduled change of a frame parameter goes ahead of its sample; the worker waits for the frame
)
EARLY_S = 0.004  # by which a block parameter is set before its sample at most, less if blocks are shorter
FAR_S = 60.0  # a timetag further ahead is a wrong clock
FAR_APPLIES_S = 0.2
Entry = tuple[Client, Sequence[Edit] | Message, int]  # who, what, input sample


@dataclass(frozen=True)
class _Answer:
    """From another thread, to a client."""

    client: Client
    address: str
    args: tuple[Any, ...]


class OscServer:
    """OscError from the constructor if the port cannot be had. `start` and `stop` from one thread; `step` by hand."""

    def __init__(
        self,
        engine: Engine,
        port: int = PORT,
        host: str = HOST,
        *,
        device: str = "",
        facts: Callable[[], Mapping[str, Any]] = dict,
        orders: Orders | None = None,
        place: Path | None = None,
        say: Callable[[str], None] = lambda line: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`facts`: the driver's; `orders` go to the session that plays here; `say` gets lines for the console.

        Snapshots are kept in `place`, if there is one. `wall` is what timetags are compared with, Unix seconds.
        """
        self.device, self.facts, self.dump = device, facts, 0
        self._say, self._wall, self._orders = say, wall, orders
        self._transport = Transport(host, port)
        self.port = self._transport.port
        if self._transport.tcp_problem:
            say(self._transport.tcp_problem)
        self._clients = Clients()
        self.snapshots, self.listing = Snapshots(place, engine.table), Listing()
        self.bindings = Bindings(engine.table)
        self._learner: Client | None = None
        self._events: collections.deque[object] = collections.deque()
        self._received = self._bad = self._errors = self._late = 0
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._bind(engine)

    def _bind(self, engine: Engine) -> None:
        self.engine, self._space = engine, Space(engine.table)
        self.bindings.table = engine.table
        self._clock = SampleClock(engine.timeline)
        self._early = min(engine.timeline[Field.MAX_BLOCK], round(EARLY_S * self._clock.rate))
        self.schedule: Schedule[Entry] = Schedule()
        self.control = Control(engine, self._clock, self.tell, self.order)
        self.streams = Streams(engine, self._clients, self.tell, self.device)
        engine.listen(self._events.append)

    def attach(self, engine: Engine) -> None:
        """Go on with another stream; clients and their subscriptions stay, what was scheduled is forgotten."""
        running = self._thread is not None
        self._pause()
        self._bind(engine)
        if running:
            self.start()

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="verdigris-osc", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and let go of the port."""
        self._pause()
        self._transport.close()

    def _pause(self) -> None:
        self._stopping = True
        self._transport.wake()
        if self._thread:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stopping:
            try:
                busy = len(self.schedule) or self.control.waiting or self._clients.groups()
                self.step(TURN_S if busy else IDLE_S)
            except Exception as error:  # noqa: BLE001 - a bug of ours must not end a performance
                self._say(f"OSC: {type(error).__name__}: {error}. Please report this.")
                time.sleep(IDLE_S)

    def step(self, timeout: float = 0.0) -> None:
        """One turn; waits up to `timeout` seconds for something to come."""
        for key, data in self._transport.receive(timeout):
            self._take(key, data)
        self._clock.update(self._wall())
        for client, what, at in self.schedule.due(self._clock.position):
            if isinstance(what, Message):
                self._answer(client, what.address, lambda c=client, m=what: commands.run(self, c, m))  # type: ignore[misc]
            else:
                self.control.submit(what, at)
        self.control.flush()
        self.engine.pump()
        now = time.monotonic()
        while self._events:
            event = self._events.popleft()
            if isinstance(event, _Answer):
                self.tell(event.client, event.address, *event.args)
            self.control.hear(event)
            self.streams.hear(event, now)
        for client, cards in self.listing.done(self.facts):
            self._tell_cards(client, cards)
        self._clients.expire(now)
        self.streams.tick(now)

    def tell(self, client: Client, address: str, *args: object) -> None:
        """Send one message to a client."""
        self._transport.send(client.key, encode(address, *args), self.engine.values["osc.reply_port"])

    def _tell_cards(self, client: Client, cards: list[dict[str, Any]] | str) -> None:
        if isinstance(cards, str):
            reason, _, remedy = cards.partition(". ")
            self._refuse(client, "/verdigris/devices", reason, remedy)
            return
        for number, card in enumerate(cards, start=1):
            self.tell(client, "/verdigris/devices", number, len(cards), *pairs(card))
        if not cards:
            self.tell(client, "/verdigris/devices", 0, 0)

    def change(self, client: Client, wanted: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Set parameters by name at once, all or, with ParameterError, none."""
        edits = [edit for name, args in wanted for edit in self._edits(client, name, args)]
        self.control.check(edits)
        self.control.submit(edits)

    def learn(self, client: Client, name: str) -> None:
        """Bind the next address that is not ours to this parameter, and tell this client."""
        self.bindings.learn(name)
        self._learner = client

    def order(self, clients: Sequence[Client], what: str, args: tuple[Any, ...] = ()) -> None:
        """Have the session do it, and these clients told /verdigris/done or /verdigris/fail."""
        if self._orders is None:
            raise ParameterError(f"{what} is for a live session, and there is none here. Start verdigris live.")

        def answer(word: str, text: str) -> None:
            self._events.extend(_Answer(client, f"/verdigris/{word}", (what, text)) for client in clients)

        self._orders.give(Order(what, args, answer))

    def counts(self) -> dict[str, int]:
        """What became of everything so far."""
        return {
            "received": self._received,
            "bad_packets": self._bad,
            "errors": self._errors,
            "coalesced": self.control.counts.coalesced,
            "applied": self.control.counts.applied,
            "unheard": self.control.counts.unheard,
            "late": self._late,
            "scheduled": len(self.schedule),
            "kernel_drops": self._transport.kernel_drops,
            "unsent": self._transport.unsent,
        }

    def _take(self, key: Hashable, data: bytes | PacketError) -> None:
        client = self._clients.hear(key, time.monotonic())
        try:
            if isinstance(data, PacketError):
                raise data
            messages = decode(data)
        except PacketError as error:
            self._bad += 1
            self._refuse(client, "?", f"a packet that is no OSC: {error}", "Send OSC 1.0 messages or bundles.")
            return
        self._received += len(messages)
        for message in messages:
            if self.dump:
                self._say(one_line(f"{key} {message.address} {' '.join(map(str, message.args))}")[:500])
            self._answer(client, message.address, lambda m=message: self._handle(client, m))  # type: ignore[misc]

    def _answer(self, client: Client, address: str, do: Callable[[], None]) -> None:
        """Do it, or say why not."""
        try:
            do()
        except ParameterError as error:
            reason, _, remedy = str(error).partition(". ")
            self._refuse(client, address, reason, remedy)

    def _refuse(self, client: Client, address: str, reason: str, remedy: str) -> None:
        self._errors += 1
        if client.may_be_told(time.monotonic()):
            more = f" (and {client.unanswered} more errors)" if client.unanswered else ""
            client.unanswered = 0
            self.tell(client, "/verdigris/error", address[:255], reason[:500] + more, remedy[:500])

    def _handle(self, client: Client, message: Message) -> None:
        what = self._read(client, message)
        if not isinstance(what, Message):
            self.control.check(what)
        at = self._when(client, message) if message.time is not None else None
        if at is None:
            if isinstance(what, Message):
                commands.run(self, client, what)
            else:
                self.control.submit(what)
            return
        if isinstance(what, Message):
            self._wait(client, what, at, at - self._early + 1)
            return
        lead = round(LEAD_S * self._clock.rate)
        for by_frame, ahead in ((False, self._early - 1), (True, lead)):
            edits = [edit for edit in what if (edit.parameter.when == "frame") == by_frame]
            if edits:
                self._wait(client, edits, at, at - ahead)

    def _wait(self, client: Client, what: Sequence[Edit] | Message, at: int, release: int) -> None:
        if not self.schedule.add(release, (client, what, at)):
            raise ParameterError(f"{len(self.schedule)} bundles wait already. Send /verdigris/clear, or fewer.")

    def _read(self, client: Client, message: Message) -> Sequence[Edit] | Message:
        """The edits that a message stands for, checked; or the message, if it is a command. Getting is answered."""
        address, args = message.address, message.args
        if address == "/verdigris/set":
            if len(args) % 2 or not args:
                raise ParameterError("names and values do not pair up. Pass name value name value ...")
            pairs = list(zip(args[::2], args[1::2], strict=True))
            pairs.sort(key=lambda pair: pair[0] == "record")  # a take begins where the others say
            return [edit for name, value in pairs for edit in self._edits(client, str(name), (value,))]
        if address in commands.COMMANDS:
            return message
        targets = self._space.find(address)
        if not targets and self.bindings.takes(address, args) and self._learner:
            self.tell(self._learner, "/verdigris/done", "learn", address)
        if not targets and (bound := self.bindings.value(address, args)):
            return self._edits(client, bound[0], bound[1:])
        if not targets:
            raise ParameterError("no such address. docs/osc.md has them all; an OSCQuery client lists them.")
        if args:
            return [edit for target in targets for edit in read_edits(target, args, client)]
        self.control.flush()
        for target in targets:
            self._get(client, target.parameter.name, target.index)
        return ()

    def _edits(self, client: Client, name: str, args: Sequence[Any]) -> list[Edit]:
        targets = self._space.named(name)
        if not targets:
            raise ParameterError(f"parameter {name} is unknown. docs/osc.md has them all.")
        return [edit for target in targets for edit in read_edits(target, args, client)]

    def _get(self, client: Client, name: str, index: int | None) -> None:
        row, value = self.engine.table[name], self.engine.values[name]
        if index is None:
            self.tell(client, row.address, value)
        else:
            self.tell(client, f"{row.address}/{element_name(row, index)}", value[index])

    def _when(self, client: Client, message: Message) -> int | None:
        """The input sample of a timetag; None if it is to be done at once."""
        assert message.time is not None
        self._clock.update(self._wall())
        wanted, now = self._clock.sample_at(message.time), self._clock.position
        if wanted > now + FAR_S * self._clock.rate:
            seconds = (wanted - now) / self._clock.rate
            self._refuse(
                client,
                message.address,
                f"a timetag {seconds:.0f} s ahead; applied in {FAR_APPLIES_S} s",
                "Set the clock.",
            )
            return now + round(FAR_APPLIES_S * self._clock.rate)
        if wanted < now - self._early:
            self._late += 1
            self.tell(client, "/verdigris/late", wanted % SAMPLES, now % SAMPLES)
            return None
        return wanted if wanted > now else None
