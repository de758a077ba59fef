"""OSC commands that add, order and remove effects while a stream runs.

A second worker loads with the new racks beside the first and takes over, as for a codec change.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from realtime.effects.effect import EffectError, Racks
from realtime.effects.kinds import split_spec
from realtime.engine.rack_change import PLACES, RackChange, add, move, remove, with_effects
from realtime.osc.clients import Client
from realtime.osc.command_sets.command import Command, Server, one_of
from realtime.parameters.table import ParameterError
from realtime.system.platform.folders import vst3_folders

OWN_CODE = ("py", "pyo")  # kinds that run a Python file
SUFFIX = ".effects"  # of a place, in /verdigris/restart


def _add(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    place = one_of(args, "place", PLACES)
    if len(args) not in (2, 3):
        raise ParameterError("adding an effect takes a place, an effect and a number. Pass for example a.post gain 1.")
    number = _number(args[2]) if len(args) == 3 else None
    effect = checked(str(args[1]), server.engine.settings.racks)
    _change(server, client, lambda racks: add(racks, place, effect, number))


def _move(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    place = one_of(args, "place", PLACES)
    if len(args) != 3:
        raise ParameterError("moving an effect takes a place and two numbers. Pass for example a.post 2 1.")
    number, to = _number(args[1]), _number(args[2])
    _change(server, client, lambda racks: move(racks, place, number, to))


def _remove(server: Server, client: Client, args: tuple[Any, ...]) -> None:
    place = one_of(args, "place", PLACES)
    if len(args) != 2:
        raise ParameterError("removing an effect takes a place and a number. Pass for example a.post 1.")
    number = _number(args[1])
    _change(server, client, lambda racks: remove(racks, place, number))


def _change(server: Server, client: Client, change: Any) -> None:
    try:
        wanted: RackChange = change(server.engine.racks)
    except EffectError as error:
        raise ParameterError(str(error)) from error
    server.change_racks(client, wanted)


def checked(effect: str, named: Racks) -> str:
    """Return an effect if OSC may load it; ParameterError if not.

    It may not run a file that the session was not started with: OSC has no passwords.
    """
    try:
        kind, where = split_spec(effect)
    except EffectError as error:
        raise ParameterError(str(error)) from error
    unknown = kind.name == "vst" and not any(folder in Path(where).parents for folder in vst3_folders())
    if (kind.name in OWN_CODE or unknown) and effect not in (*named.pre, *named.post[0], *named.post[1]):
        raise ParameterError(f"{effect} runs a file, which OSC cannot load. Start with --pre {shlex.quote(effect)}.")
    return effect


def racks_of_restart(args: tuple[Any, ...], racks: Racks) -> tuple[tuple[Any, ...], Racks | None]:
    """Return the arguments of a restart without PLACE.effects, and the racks that these ask for.

    The value of one is a list of effects, with quotes as in a shell.
    """
    others: list[Any] = []
    wanted: Racks | None = None
    for name, value in zip(args[::2], args[1::2], strict=True):
        place = str(name).removesuffix(SUFFIX)
        if place == name or place not in PLACES:
            others += [name, value]
            continue
        effects = [checked(effect, racks) for effect in shlex.split(str(value))]
        wanted = with_effects(wanted or racks, place, effects)
    return tuple(others), wanted


def _number(given: Any) -> int:
    if not isinstance(given, int | float) or given != int(given):
        raise ParameterError(f"{given} is not the number of an effect. Pass a whole number from 1.")
    return int(given)


_ANSWER = "`/verdigris/done rack`, or `/verdigris/fail rack reason`, with latency_samples latency_ms command if only "
_ANSWER += "the latency is too short; then to all clients `/verdigris/rack/changed`"
RACK_COMMANDS = (
    Command(
        "/verdigris/rack/add",
        "place effect [number]",
        "add an effect without an interruption; place is pre, a.post or b.post; effects that run a Python file only if "
        "the session was started with them",
        _ANSWER,
        _add,
    ),
    Command("/verdigris/rack/move", "place number to", "move an effect within its place", "likewise", _move),
    Command("/verdigris/rack/remove", "place number", "remove an effect", "likewise", _remove),
)
