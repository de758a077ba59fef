"""The table of parameters: everything that can be controlled, once.

Command-line flags, --set, their validation and their help are derived from it, as are OSC addresses and the window's
controls. Slot parameters are written `a.steps` and `b.steps`; a vector's elements `a.bend.bias.07`.
"""

from __future__ import annotations

from typing import Any

from realtime import bend_params
from realtime.parameter import Parameter, ParameterError, element_name
from realtime.rack.rows import is_control

__all__ = ["PARAMETERS", "Parameter", "ParameterError", "element_name", "parse", "parse_assignment"]

BOOKS = 32  # codebooks that have controls: as many as any codec here has


def _slot(slot: str, codec: str) -> tuple[Parameter, ...]:
    name = slot.upper()
    return (
        Parameter(f"{slot}.codec", str, codec, "load", f"codec of slot {name}, and its path after a colon"),
        Parameter(f"{slot}.steps", int, 2, "frame", f"decoding steps of slot {name}", 1, 8),
        Parameter(
            f"{slot}.context_noise",
            float,
            0.4,
            "frame",
            f"noise on the past that slot {name} decodes from",
            0,
            1,
            clamp=True,
        ),
        Parameter(
            f"{slot}.match",
            float,
            0.0,
            "block",
            f"gain of slot {name} where levels are matched",
            -24,
            24,
            unit="dB",
            clamp=True,
        ),
        Parameter(f"{slot}.seed", int, 0, "frame", f"seed of slot {name}'s decoding noise", 0, 2**31 - 1),
        Parameter(
            f"{slot}.lock",
            int,
            0,
            "frame",
            f"frames after which slot {name}'s decoding noise repeats; 0: never",
            0,
            2**20,
        ),
        Parameter(
            f"{slot}.books", int, 0, "frame", f"codebooks of slot {name} that are sent; 0 is all", 0, BOOKS, clamp=True
        ),
        Parameter(
            f"{slot}.mute",
            bool,
            (False,) * BOOKS,
            "frame",
            f"codebooks of slot {name} that are left out of what is heard",
            0,
            1,
            size=BOOKS,
        ),
        Parameter(
            f"{slot}.solo",
            bool,
            (False,) * BOOKS,
            "frame",
            f"codebooks of slot {name} that alone are heard",
            0,
            1,
            size=BOOKS,
        ),
        *bend_params.rows(slot),
    )


PARAMETERS: dict[str, Parameter] = {
    p.name: p
    for p in (
        Parameter(
            "monitor",
            str,
            "a",
            "block",
            "what is heard; delta: dry less A, ghost: A less B, such as two seeds of one codec",
            choices=("dry", "a", "b", "delta", "ghost"),
            path="monitor/path",
        ),
        Parameter("gain", float, 0.0, "block", "output gain", -60, 12, unit="dB", clamp=True, path="monitor/gain"),
        Parameter("wet", float, 1.0, "block", "way from dry to what is heard", 0, 1, clamp=True, path="monitor/wet"),
        Parameter("bypass", bool, False, "block", "hear dry, at its own level", path="monitor/bypass"),
        Parameter("mute", bool, False, "block", "hear nothing", path="monitor/mute"),
        Parameter(
            "match",
            str,
            "off",
            "block",
            "level match, of A and B alone: by a.match and b.match, which follow the loudness or hold",
            choices=("off", "hold", "follow"),
            path="monitor/match",
        ),
        Parameter(
            "fill", str, "dry", "block", "what a hole is filled with", choices=("dry", "silence"), path="monitor/fill"
        ),
        Parameter("record", bool, False, "session", "record a take, in a directory of its own"),
        Parameter(
            "record.directory",
            str,
            "takes",
            "session",
            "where takes go; the first in it, then take-2, take-3 ... of it",
        ),
        Parameter(
            "source",
            str,
            "input",
            "session",
            "what is played: input, or a file of sound or a tape, over and over in place of the input",
        ),
        Parameter("limiter", bool, True, "frame", "keep wet below full scale"),
        Parameter("adapt", bool, False, "block", "step down by itself when compute is short, and up again"),
        *_slot("a", "nano:discrete"),
        *_slot("b", "opus:6"),
        Parameter("driver", str, "device", "restart", "what plays the stream", choices=("device", "clock")),
        Parameter("device.input", str, "", "restart", "sound card that is listened to; nothing: the one of before"),
        Parameter("device.output", str, "", "restart", "sound card that plays; nothing: the one of before"),
        Parameter("rate", int, 48_000, "restart", "sample rate of the stream", 8_000, 192_000, unit="Hz"),
        Parameter("block", int, 256, "restart", "samples handed over at once", 1, 8192),
        Parameter(
            "precision", str, "float32", "restart", "what networks compute in", choices=("float32", "bfloat16", "auto")
        ),
        Parameter("latency", int, 0, "restart", "latency to reserve at least; 0 is as little as it takes", 0, 2**20),
        Parameter(
            "osc.reply_port", int, 0, "block", "port that answers by UDP go to; 0 is the sender's own", 0, 65_535
        ),
    )
}


def parse(name: str, given: Any) -> Any:
    """A value for the parameter of that name; ParameterError if there is none or it may not be that."""
    if name not in PARAMETERS:
        vector = PARAMETERS.get(name.rpartition(".")[0])
        if vector and vector.size:
            raise ParameterError(
                f"{name} is an element. Pass all {vector.size} of {vector.name}, with commas, or one for all of them."
            )
        known = [known for known in PARAMETERS if ".bend." not in known]
        raise ParameterError(
            f"parameter {name} is unknown. There are {', '.join(known)}, and the bends of docs/osc.md."
        )
    return PARAMETERS[name].parse(given)


def parse_assignment(text: str) -> tuple[str, Any]:
    """NAME=VALUE as of --set; an effect's control stays text until it is known which effects there are."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ParameterError(f"--set {text} is no NAME=VALUE. Pass such as --set monitor=b.")
    return name, value if is_control(name) else parse(name, value)
