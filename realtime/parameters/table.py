"""The table of parameters: everything that can be controlled, once.

Command-line flags, --set, their validation and their help are derived from it, as are OSC addresses
and the window's controls. Slot parameters are written `a.steps` and `b.steps`; a vector's elements
`a.bend.bias.07`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from realtime.drivers.registry import DRIVERS
from realtime.parameters import bend_rows
from realtime.parameters.effect_rows import is_control
from realtime.parameters.parameter import Parameter, ParameterError, When, element_name

__all__ = ["PARAMETERS", "Parameter", "ParameterError", "When", "element_name", "parse", "parse_assignment"]

LIVE_DRIVERS = tuple(name for name, entry in DRIVERS.items() if entry.live)
BOOKS = 64  # codebooks with controls: as many as the codec with most has (Lyra)


# Rows of each slot: name, kind, default, when, help, options of Parameter.
_SLOT: tuple[tuple[str, type, Any, When, str, dict[str, Any]], ...] = (
    ("codec", str, "", When.LOAD, "codec of slot {slot}, with its path after a colon", {}),
    ("steps", int, 2, When.FRAME, "decoding steps of slot {slot}", {"low": 1, "high": 8}),
    (
        *("context_noise", float, 0.4, When.FRAME, "noise on the past frames that slot {slot} decodes from"),
        {"low": 0, "high": 1, "clamp": True},
    ),
    (
        *("match", float, 0.0, When.BLOCK, "gain of slot {slot} while levels are matched"),
        {"low": -24, "high": 24, "unit": "dB", "clamp": True},
    ),
    ("seed", int, 0, When.FRAME, "seed of slot {slot}'s decoding noise", {"low": 0, "high": 2**31 - 1}),
    (
        *("lock", int, 0, When.FRAME, "frames after which slot {slot}'s decoding noise repeats; 0: never"),
        {"low": 0, "high": 2**20},
    ),
    (
        *("books", int, 0, When.FRAME, "number of codebooks that slot {slot} sends; 0: all"),
        {"low": 0, "high": BOOKS, "clamp": True},
    ),
    (
        *("mute", bool, (False,) * BOOKS, When.FRAME, "codebooks of slot {slot} that are not decoded"),
        {"low": 0, "high": 1, "size": BOOKS},
    ),
    (
        *("solo", bool, (False,) * BOOKS, When.FRAME, "codebooks of slot {slot} that alone are decoded"),
        {"low": 0, "high": 1, "size": BOOKS},
    ),
    (
        *("continue", float, 0.0, When.FRAME, "swift in slot {slot}: 0 listens, 1 goes on by itself, between: chance"),
        {"low": 0, "high": 1, "clamp": True},
    ),
    (
        *("continue.temperature", float, 1.0, When.FRAME, "freedom of what slot {slot} continues; 0: most probable"),
        {"low": 0, "high": 4, "clamp": True},
    ),
    (
        *("continue.top_p", float, 0.95, When.FRAME, "probability of the choices that slot {slot} continues with"),
        {"low": 0.01, "high": 1, "clamp": True},
    ),
    (
        *("continue.prompt", float, 3.0, When.FRAME, "seconds heard that slot {slot} continues from"),
        {"low": 0.5, "high": 12, "unit": "s", "clamp": True},
    ),
    (
        *(
            "continue.guide",
            float,
            0.0,
            When.FRAME,
            "how far slot {slot}'s continuation follows the player's level and tone",
        ),
        {"low": 0, "high": 1, "clamp": True},
    ),
    (
        *("continue.loop_after", float, 0.0, When.FRAME, "seconds that slot {slot} makes, then repeats; 0: never"),
        {"low": 0, "high": 30, "unit": "s", "clamp": True},
    ),
    ("continue.seed", int, 0, When.FRAME, "seed of slot {slot}'s continuation", {"low": 0, "high": 2**31 - 1}),
)


def _slot(slot: str, codec: str) -> tuple[Parameter, ...]:
    own = tuple(
        Parameter(f"{slot}.{name}", kind, default, when, help_.format(slot=slot.upper()), **options)
        for name, kind, default, when, help_, options in _SLOT
    )
    return (replace(own[0], default=codec), *own[1:], *bend_rows.rows(slot))


def _block(name: str, kind: type, default: Any, help_: str, low: float, high: float, **options: Any) -> Parameter:
    return Parameter(name, kind, default, When.BLOCK, help_, low, high, **options)


def _switch(name: str, help_: str, *, when: When = When.BLOCK, default: bool = False, path: str = "") -> Parameter:
    return Parameter(name, bool, default, when, help_, path=path)


def _choice(name: str, help_: str, when: When, default: str, choices: tuple[str, ...], path: str = "") -> Parameter:
    return Parameter(name, str, default, when, help_, choices=choices, path=path)


_MONITOR = "signal that is played; delta is dry minus A, ghost is A minus B"
_MATCH = "level match of A and B by a.match and b.match, which follow the loudness or hold"
_RECORD_DIRECTORY = "directory of takes: the first is written to it, the next ones to take-2, take-3 ... in it"
_CHANNELS = "channels of the {} sound card from 1, such as 3,4; empty: 1,2"
_LOOP = "begin a source file again at its end; otherwise the input plays again"
_SOURCE = "source of the stream: input, or an audio file or tape that is played in place of the input"

PARAMETERS: dict[str, Parameter] = {
    row.name: row
    for row in (
        _choice("monitor", _MONITOR, When.BLOCK, "a", ("dry", "a", "b", "delta", "ghost"), "monitor/path"),
        _block("gain", float, 0.0, "output gain", -60, 12, unit="dB", clamp=True, path="monitor/gain"),
        _block("wet", float, 1.0, "mix from dry (0) to the monitor signal (1)", 0, 1, clamp=True, path="monitor/wet"),
        _switch("bypass", "play dry at its own level", path="monitor/bypass"),
        _switch("mute", "play silence", path="monitor/mute"),
        _choice("match", _MATCH, When.BLOCK, "off", ("off", "hold", "follow"), "monitor/match"),
        _choice("fill", "signal that fills dropouts", When.BLOCK, "dry", ("dry", "silence"), "monitor/fill"),
        _switch("record", "record a take, in a directory of its own", when=When.SESSION),
        Parameter("record.directory", str, "takes", When.SESSION, _RECORD_DIRECTORY),
        Parameter("source", str, "input", When.SESSION, _SOURCE),
        _switch("source.loop", _LOOP, when=When.SESSION, default=True),
        _switch("limiter", "keep wet below full scale", when=When.FRAME, default=True),
        _switch("adapt", "lower the quality automatically when compute is short, and raise it again"),
        *_slot("a", "nano:discrete"),
        *_slot("b", "opus:6"),
        _choice("driver", "driver that plays the stream", When.RESTART, "device", LIVE_DRIVERS),
        Parameter("device.input", str, "", When.RESTART, "input sound card; empty: the one used before"),
        Parameter("device.output", str, "", When.RESTART, "output sound card; empty: the one used before"),
        Parameter("device.input_channels", str, "", When.RESTART, _CHANNELS.format("input")),
        Parameter("device.output_channels", str, "", When.RESTART, _CHANNELS.format("output")),
        Parameter("rate", int, 48_000, When.RESTART, "sample rate of the stream", 8_000, 192_000, unit="Hz"),
        Parameter("block", int, 256, When.RESTART, "samples per audio block", 1, 8192),
        _choice(
            *("precision", "number format that networks compute in", When.RESTART, "float32"),
            ("float32", "bfloat16", "auto"),
        ),
        Parameter(
            "latency", int, 0, When.RESTART, "least latency to reserve, in samples; 0: as low as possible", 0, 2**20
        ),
        _block("osc.reply_port", int, 0, "port for replies by UDP; 0: the sender's own", 0, 65_535),
    )
}


def parse(name: str, given: Any) -> Any:
    """A value for the parameter of that name; ParameterError if there is none or it may not be
    that.
    """
    if name not in PARAMETERS:
        vector = PARAMETERS.get(name.rpartition(".")[0])
        if vector and vector.size:
            raise ParameterError(
                f"{name} is an element. Pass all {vector.size} of {vector.name}, with commas, or one for all of them."
            )
        known = [known for known in PARAMETERS if ".bend." not in known]
        raise ParameterError(f"parameter {name} is unknown. Pass one of {', '.join(known)}, or a bend of docs/osc.md.")
    return PARAMETERS[name].parse(given)


def parse_assignment(text: str) -> tuple[str, Any]:
    """NAME=VALUE as of --set; an effect's control stays text until it is known which effects there
    are.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise ParameterError(f"--set {text} is not NAME=VALUE. Pass for example --set monitor=b.")
    return name, value if is_control(name) else parse(name, value)
