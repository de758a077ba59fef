"""OSC commands, besides setting and getting parameters. Every row is also a row of docs/osc.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime.osc.clients import GROUPS, LEASE_S, Client
from realtime.osc.command_sets.command import Command, Server, one_of
from realtime.osc.command_sets.queries import QUERIES
from realtime.osc.command_sets.rack_commands import RACK_COMMANDS, racks_of_restart
from realtime.osc.snapshots import snapshot_name
from realtime.parameters.table import Parameter, ParameterError, When

MAX_CAPTURE_S = 30


def _sync(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.edits.flush()
    server.send(client, "/verdigris/synced", *args)


def _ping(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.send(client, "/verdigris/pong", *args)


def _subscribe(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    group = one_of(args, "group", GROUPS)
    rate = args[1] if len(args) > 1 else None
    if isinstance(rate, str) or rate != rate:
        raise ParameterError(f"rate {rate} is not a number. Pass Hz, or leave it out.")
    server.edits.flush()  # so that the subscription starts with the values just set
    server.publisher.subscribe(client, group, None if rate is None else float(rate))


def _unsubscribe(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    for group in [one_of(args, "group", GROUPS)] if args else list(client.groups):
        client.groups.pop(group, None)


def _panic(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.schedule.clear()
    server.change(client, [("monitor", ("dry",))])


def _reset(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    rows = {name: row for name, row in server.engine.table.items() if row.changes_live and not row.local}
    names = [_parameter(server, arg, rows) for arg in args] or list(rows)
    server.change(client, [(name, (rows[name].default,)) for name in names])


def _dump(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    if not args or args[0] not in (0, 1):
        raise ParameterError("dump takes a level. Pass 0 or 1.")
    server.dump = int(args[0])


def _clear(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.send(client, "/verdigris/cleared", server.schedule.clear())


def _store(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.edits.flush()
    server.snapshots.store(_name(args), server.engine.parameters)
    server.send(client, "/verdigris/done", "snapshot/store", _name(args))


def _recall(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.edits.flush()
    values = server.snapshots.recall(_name(args))
    server.change(
        client,
        [(name, (value,)) for name, value in values.items() if server.engine.parameters.get(name, value) != value],
    )


def _corners(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.snapshots.set_corners([snapshot_name(name) for name in args])


def _morph(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    numbers = [arg for arg in args if isinstance(arg, int | float) and 0 <= arg <= 1]
    if len(args) != 2 or len(numbers) != 2:
        raise ParameterError("a morph takes x and y. Pass two numbers from 0 to 1.")
    server.edits.flush()
    values = server.snapshots.morph(*numbers)
    server.change(
        client,
        [(name, (value,)) for name, value in values.items() if server.engine.parameters.get(name, value) != value],
    )


def _learn(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.learn(client, _parameter(server, args[0], server.engine.table) if args else "")


def _bind(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    if not 1 <= len(args) <= 2:
        raise ParameterError("bind takes an address and a parameter. Pass both, or the address alone to unbind it.")
    server.bindings.bind(str(args[0])[:255], server.parameter_name(str(args[1])) if len(args) == 2 else "")


def _restart(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    rows = {name: row for name, row in server.engine.table.items() if row.when in (When.RESTART, When.LOAD)}
    if len(args) % 2 or not args:
        raise ParameterError(f"restart takes names and values. Pass name value ..., of {', '.join(rows)}.")
    args, racks = racks_of_restart(args, server.engine.racks)
    pairs = [(_parameter(server, name, rows), value) for name, value in zip(args[::2], args[1::2], strict=True)]
    changed = {name: rows[name].parse(value) for name, value in pairs} | ({} if racks is None else {"racks": racks})
    server.request_session([client], "restart", (changed,))


def _capture(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    seconds = args[0] if len(args) == 1 else None
    if not isinstance(seconds, int | float) or not 0 < seconds <= MAX_CAPTURE_S:
        raise ParameterError(f"capture takes a length in seconds. Pass a number up to {MAX_CAPTURE_S}.")
    server.request_session([client], "capture", (float(seconds),))


def _seek(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    seconds = args[0] if len(args) == 1 else None
    if not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
        raise ParameterError("seek takes a position in seconds. Pass a number from 0.")
    server.request_session([client], "seek", (float(seconds),))


def _quit(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    server.request_session([client], "quit")


def _name(args: tuple[Any, ...]) -> str:
    if len(args) != 1 or not 0 < len(str(args[0]).strip()) <= 100:
        raise ParameterError("a snapshot takes one name of up to 100 characters. Pass a name or a number.")
    return snapshot_name(args[0])


def _parameter(server: Server, given: Any, rows: Mapping[str, Parameter]) -> str:
    """Return the name of one of these parameters, given by its name or address; ParameterError."""
    return one_of((server.parameter_name(str(given)),), "parameter", rows)


_ROWS = (
    Command(
        "/verdigris/set",
        "name value name value ...",
        "set several parameters together; names as in the table, or addresses without the root",
        "`/verdigris/applied` for each parameter",
        None,
    ),
    *QUERIES,
    *RACK_COMMANDS,
    Command(
        "/verdigris/sync",
        "id",
        "wait until all earlier messages have been passed on",
        "`/verdigris/synced id`",
        _sync,
    ),
    Command(
        "/verdigris/ping",
        "[id ...]",
        "renew the lease, as any message does",
        "`/verdigris/pong id ...`",
        _ping,
    ),
    Command(
        "/verdigris/subscribe",
        "group [rate_hz]",
        f"start a stream: {', '.join(GROUPS)}; the lease is {LEASE_S:.0f} s, and any message renews it; "
        "by TCP it lasts as long as the connection",
        "the messages of the group",
        _subscribe,
    ),
    Command("/verdigris/unsubscribe", "[group]", "end one stream, or all", "", _unsubscribe),
    Command(
        "/verdigris/panic",
        "",
        "switch to dry without a click, and drop all scheduled messages",
        "`/verdigris/applied`",
        _panic,
    ),
    Command(
        "/verdigris/reset",
        "[name ...]",
        "set these parameters to their defaults, or all that can change",
        "`/verdigris/applied` for each parameter",
        _reset,
    ),
    Command(
        "/verdigris/snapshot/store",
        "name",
        "store the values of all parameters; names that are numbers compare as numbers: 3 is 3.0",
        "`/verdigris/done snapshot/store name`",
        _store,
    ),
    Command(
        "/verdigris/snapshot/recall",
        "name",
        "set all parameters to a stored snapshot, together",
        "`/verdigris/applied` for each parameter that changes",
        _recall,
    ),
    Command(
        "/verdigris/morph/corners",
        "a b c d",
        "choose four snapshots for the corners 0 0, 1 0, 0 1 and 1 1",
        "",
        _corners,
    ),
    Command(
        "/verdigris/morph",
        "x y",
        "interpolate between the four snapshots; values that are not float come from the nearest corner",
        "`/verdigris/applied` for each parameter that changes",
        _morph,
    ),
    Command(
        "/verdigris/restart",
        "name value ...",
        "fade the stream out and start another one with these parameters (those with when load or restart, and "
        "pre.effects, a.post.effects, b.post.effects: lists of effects, quoted as in a shell); clients "
        "stay connected; if the new stream is not available, the previous one starts again",
        "`/verdigris/done restart changes`, when it plays, or `/verdigris/fail restart reason`, "
        "also where a later restart supersedes it",
        _restart,
    ),
    Command(
        "/verdigris/capture",
        "seconds",
        f"replace the input by a loop of its last seconds, at most {MAX_CAPTURE_S} s, with "
        "locked seeds (a.lock, b.lock); /verdigris/source input ends it",
        "`/verdigris/done capture seconds`, or `/verdigris/fail capture reason`",
        _capture,
    ),
    Command(
        "/verdigris/seek",
        "seconds",
        "go to a position of the source file",
        "`/verdigris/done seek seconds`, or `/verdigris/fail seek reason`",
        _seek,
    ),
    Command(
        "/verdigris/learn",
        "[name]",
        "bind this parameter to the next foreign address that sends a number from 0 to 1; without a name, stop",
        "`/verdigris/done learn address`, once bound",
        _learn,
    ),
    Command(
        "/verdigris/bind",
        "address [name]",
        "bind a foreign address to a parameter: 0 to 1 covers its range; without a name, unbind it",
        "",
        _bind,
    ),
    Command("/verdigris/quit", "", "fade the stream out and end the program", "`/verdigris/done quit`", _quit),
    Command("/verdigris/dump", "level", "1: print every received message on the console; 0: stop", "", _dump),
    Command("/verdigris/clear", "", "drop all scheduled messages", "`/verdigris/cleared count`", _clear),
)
COMMANDS = {command.address: command for command in _ROWS}


def run(server: Server, client: Client, address: str, args: tuple[Any, ...]) -> None:
    """Run a command now; ParameterError if its arguments are not allowed."""
    command = COMMANDS[address].run
    if command is None:
        raise ParameterError(f"{address} is read as edits. Send it as a message of its own.")
    command(server, client, args)
