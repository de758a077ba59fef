"""What can be asked of Verdigris besides setting and getting parameters; every row is also a row of docs/osc.md."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Protocol

from realtime.engine import Engine
from realtime.osc import facts
from realtime.osc.bindings import Bindings
from realtime.osc.clients import GROUPS, Client
from realtime.osc.clock import Schedule
from realtime.osc.control import Control
from realtime.osc.listing import Listing
from realtime.osc.packet import Message
from realtime.osc.snapshots import Snapshots
from realtime.osc.streams import Streams, status
from realtime.params import ParameterError
from realtime.timeline import SLOTS

API_VERSION = 1
CAPTURE_S = 30  # at most
FEW = 16  # names that a remedy lists


class Server(Protocol):
    """What commands ask of who runs them (server.py)."""

    engine: Engine
    device: str
    dump: int
    schedule: Schedule[Any]
    control: Control
    streams: Streams
    snapshots: Snapshots
    bindings: Bindings
    listing: Listing

    @property
    def facts(self) -> Callable[[], Mapping[str, Any]]: ...
    def tell(self, client: Client, address: str, *args: object) -> None: ...
    def change(self, client: Client, wanted: Sequence[tuple[str, Sequence[Any]]]) -> None: ...
    def learn(self, client: Client, name: str) -> None: ...
    def order(self, clients: Sequence[Client], what: str, args: tuple[Any, ...] = ()) -> None: ...
    def counts(self) -> dict[str, int]: ...


@dataclass(frozen=True)
class Command:
    """`run` may raise ParameterError. None: the server reads edits out of it, so that they can be scheduled."""

    address: str
    arguments: str
    help: str
    run: Callable[[Server, Client, tuple[Any, ...]], None] | None


def _hello(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.tell(client, "/verdigris/hello", "verdigris", version("verdigris"), API_VERSION)


def _status(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.tell(client, "/verdigris/status", *status(server.engine, server.device).values())


def _counts(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.tell(client, "/verdigris/counts", *facts.pairs(server.counts()))


def _codec(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.tell(client, "/verdigris/codec", *facts.pairs(facts.codec(server.engine, _text(args, "slot", SLOTS))))


def _latency(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.tell(client, "/verdigris/latency/terms", *facts.pairs(facts.latency(server.engine)))


def _device(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.tell(client, "/verdigris/device", *facts.pairs(server.facts()))


def _devices(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.listing.ask(client)


def _rack(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    for effect in server.engine.inserted:
        bypassed = int(server.engine.bypassed(effect))
        server.tell(client, "/verdigris/rack", effect.place, effect.number, effect.spec, effect.latency, bypassed)
    if not server.engine.inserted:
        server.tell(client, "/verdigris/rack")


def _controls(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    found = facts.controls(server.engine)
    for number, control in enumerate(found, 1):
        server.tell(client, "/verdigris/rack/controls", number, len(found), *control)
    if not found:
        server.tell(client, "/verdigris/rack/controls", 0, 0)


def _sync(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.control.flush()
    server.tell(client, "/verdigris/synced", *args)


def _ping(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.tell(client, "/verdigris/pong", *args)


def _subscribe(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    group = _text(args, "group", GROUPS)
    rate = args[1] if len(args) > 1 else None
    if isinstance(rate, str) or rate != rate:
        raise ParameterError(f"rate {rate} is no number. Pass Hz, or nothing.")
    server.control.flush()  # so that the state that comes is what was just set
    server.streams.subscribe(client, group, None if rate is None else float(rate))


def _unsubscribe(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    for group in [_text(args, "group", GROUPS)] if args else list(client.groups):
        client.groups.pop(group, None)


def _panic(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.schedule.clear()
    server.change(client, [("monitor", ("dry",))])


def _reset(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    rows = {name: row for name, row in server.engine.table.items() if row.when in ("block", "frame") and not row.local}
    names = [_text(args[i:], "parameter", rows) for i in range(len(args))] or list(rows)
    server.change(client, [(name, (rows[name].default,)) for name in names])


def _dump(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    if not args or args[0] not in (0, 1):
        raise ParameterError("dump takes a level. Pass 0 or 1.")
    server.dump = int(args[0])


def _clear(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.tell(client, "/verdigris/cleared", server.schedule.clear())


def _store(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.control.flush()
    server.snapshots.store(_name(args), server.engine.values)
    server.tell(client, "/verdigris/done", "snapshot/store", _name(args))


def _recall(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.control.flush()
    values = server.snapshots.recall(_name(args))
    server.change(client, [(name, (value,)) for name, value in values.items() if server.engine.values[name] != value])


def _corners(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.snapshots.set_corners([str(name) for name in args])


def _morph(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    numbers = [arg for arg in args if isinstance(arg, int | float) and 0 <= arg <= 1]
    if len(args) != 2 or len(numbers) != 2:
        raise ParameterError("a morph goes to x and y. Pass two numbers from 0 to 1.")
    server.control.flush()
    values = server.snapshots.morph(*numbers)
    server.change(client, [(name, (value,)) for name, value in values.items() if server.engine.values[name] != value])


def _learn(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.learn(client, _text(args, "parameter", server.engine.table) if args else "")


def _bind(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    if not 1 <= len(args) <= 2:
        raise ParameterError("bind takes an address and a parameter. Pass both, or the address alone to unbind it.")
    server.bindings.bind(str(args[0])[:255], str(args[1]) if len(args) == 2 else "")


def _restart(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    rows = {name: row for name, row in server.engine.table.items() if row.when in ("restart", "load")}
    if len(args) % 2 or not args:
        raise ParameterError(f"restart takes what is to change. Pass name value ..., of {', '.join(rows)}.")
    pairs = zip(args[::2], args[1::2], strict=True)
    changed = {name: rows[name].parse(value) for name, value in pairs if _text((name,), "parameter", rows)}
    server.order([client], "restart", (changed,))


def _capture(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    seconds = args[0] if len(args) == 1 else None
    if not isinstance(seconds, int | float) or not 0 < seconds <= CAPTURE_S:
        raise ParameterError(f"a capture has so many seconds. Pass a number up to {CAPTURE_S}.")
    server.order([client], "capture", (float(seconds),))


def _quit(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.order([client], "quit")


def _name(args: tuple[Any, ...]) -> str:
    if len(args) != 1 or not 0 < len(str(args[0]).strip()) <= 100:
        raise ParameterError("a snapshot has one name of up to 100 characters. Pass a name or a number.")
    return str(args[0])


def _text(args: tuple[Any, ...], what: str, allowed: Collection[str]) -> str:
    """The first argument, one of those that are allowed; where they are many, the page that has them is named."""
    given = args[0] if args else None
    if given not in tuple(allowed):
        said = f"{what} {given} is not known" if args else f"no {what} was given"
        remedy = f"one of {', '.join(allowed)}" if len(allowed) <= FEW else f"a {what}; docs/osc.md has them all"
        raise ParameterError(f"{said}. Pass {remedy}.")
    return str(given)


COMMANDS = {
    command.address: command
    for command in (
        Command(
            "/verdigris/set",
            "name value name value ...",
            "set parameters together; names as in the table, or addresses without the root",
            None,
        ),
        Command("/verdigris/hello", "", "answers name, version, API version", _hello),
        Command(
            "/verdigris/status",
            "",
            "answers running, codec of A and B, real-time factor p50 and p99, latency in samples and ms, holes by "
            "kind (late, stalled, died, xrun), device, rate",
            _status,
        ),
        Command("/verdigris/counts", "", "answers what became of all messages, as name and number", _counts),
        Command(
            "/verdigris/codec",
            "slot",
            "answers what slot a or b plays, as name and value: slot, name, path, sample_rate, channels, hop, "
            "lookahead, tokens, cardinality, latent_count, latent_dims, paths, time_ordered",
            _codec,
        ),
        Command(
            "/verdigris/latency/terms",
            "",
            "answers the latency in samples and ms and the terms it is the sum of, as name and value",
            _latency,
        ),
        Command("/verdigris/device", "", "answers what plays the stream, as name and value", _device),
        Command(
            "/verdigris/devices",
            "",
            "looks anew which sound cards there are, while the stream plays on; answers, after a second or so, number "
            "and count, then name and value in turn: name, host_api, inputs, outputs, rates ...; once for each card",
            _devices,
        ),
        Command(
            "/verdigris/rack",
            "",
            "answers, for each effect: place (pre, a.post, b.post), number, effect, latency in samples, 1 if bypassed; "
            "without effects once, with nothing",
            _rack,
        ),
        Command(
            "/verdigris/rack/controls",
            "",
            "answers number and count, then name, effect, type (float, int or bool), value, default, lowest, highest, "
            "what it is; once for each control of an effect; 0 0 without effects",
            _controls,
        ),
        Command("/verdigris/sync", "id", "answers /verdigris/synced id, when all before it has been given on", _sync),
        Command("/verdigris/ping", "", "answers /verdigris/pong, and renews the lease as any message does", _ping),
        Command(
            "/verdigris/subscribe",
            "group [rate_hz]",
            f"begin a stream: {', '.join(GROUPS)}. The lease is 10 s; any message renews it",
            _subscribe,
        ),
        Command("/verdigris/unsubscribe", "[group]", "end one stream, or all", _unsubscribe),
        Command("/verdigris/panic", "", "hear dry, without a click; what is scheduled is forgotten", _panic),
        Command("/verdigris/reset", "[name ...]", "defaults of these parameters, or of all that can change", _reset),
        Command("/verdigris/snapshot/store", "name", "keep what all parameters are now", _store),
        Command("/verdigris/snapshot/recall", "name", "set all parameters to what was kept, at once", _recall),
        Command("/verdigris/morph/corners", "a b c d", "four snapshots: at 0 0, 1 0, 0 1 and 1 1", _corners),
        Command("/verdigris/morph", "x y", "go between them; what is no number is that of the nearest", _morph),
        Command(
            "/verdigris/restart",
            "name value ...",
            "end the stream, faded, and begin another with these parameters, of those that wait for load or restart, "
            "changed; clients stay. Done when it plays; where it cannot be had, the one before is begun again",
            _restart,
        ),
        Command(
            "/verdigris/capture",
            "seconds",
            "play the last seconds of what was heard of the input, over and over in its place, with locked seeds "
            f"(a.lock, b.lock); at most {CAPTURE_S} s. /verdigris/source input ends it",
            _capture,
        ),
        Command(
            "/verdigris/learn",
            "[name]",
            "bind the next address not ours that brings a number from 0 to 1 to this parameter; done says which; "
            "without a name: no longer",
            _learn,
        ),
        Command(
            "/verdigris/bind",
            "address [name]",
            "let an address not ours move a parameter through its range, from 0 to 1; without a name: no longer",
            _bind,
        ),
        Command("/verdigris/quit", "", "end the stream, faded, and the program", _quit),
        Command("/verdigris/dump", "level", "1 prints every message that comes in on the console, 0 ends it", _dump),
        Command("/verdigris/clear", "", "forget what is scheduled; answers /verdigris/cleared count", _clear),
    )
}


def run(server: Server, client: Client, message: Message) -> None:
    """Do what a command says, now."""
    command = COMMANDS[message.address]
    assert command.run is not None
    command.run(server, client, message.args)
