"""Flags that several commands share: their parsers, and the values they give."""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

from models.load import give_consent as allow_model
from models.load import split_codec_path
from realtime.parameters.table import PARAMETERS, ParameterError, parse


def default_of(name: str) -> str:
    """Return the default of a parameter for a help text."""
    return f"(default {PARAMETERS[name].default})"


def add_parameters(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add a flag for each of these parameters of the table."""
    for name in names:
        row = PARAMETERS[name]
        default = f"default {row.default}"
        if name == "rate" and "plan" not in parser.prog:
            default = "default: that of the file or of the sound card"
        metavar = "N" if row.low is not None else name.upper()
        parser.add_argument(f"--{name}", metavar=metavar, help=f"{row.help} ({row.allowed}; {default})")


def add_slots(parser: argparse.ArgumentParser) -> None:
    """Add --a and --b."""
    for slot in "ab":
        row = PARAMETERS[f"{slot}.codec"]
        off = ", or off" if slot == "b" else ""
        parser.add_argument(f"--{slot}", metavar="CODEC[:PATH]", help=f"{row.help}{off} {default_of(row.name)}")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Add --trust."""
    parser.add_argument(
        "--trust",
        action="store_true",
        help="allow the models of your own (rave:, nn:, neutone:) that this command names; needed once for each file",
    )


def give_consent(arguments: argparse.Namespace) -> None:
    """Store the consent to each model that the arguments name, if --trust was given.

    CodecError if a file is refused whatever the user says.
    """
    if not arguments.trust:
        return
    given = vars(arguments)
    effects = [spec for flag in ("pre", "post", "post_a", "post_b") for spec in given.get(flag) or ()]
    codecs = [given.get(flag) for flag in ("a", "b", "codec", "effect")]
    codecs += [text.partition("=")[2] for text in given.get("set") or () if ".codec=" in text]
    for name in [*codecs, *effects]:
        if name and (line := allow_model(name)):
            print(line, file=sys.stderr)


def add_sound_card(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose sound cards and their channels."""
    for kind in ("input", "output"):
        parser.add_argument(f"--{kind}-device", metavar="NAME", help="name from verdigris devices, or default")
        parser.add_argument(f"--{kind}-channels", metavar="L,R", help="channels of the card, from 1 (default 1,2)")


def given_parameters(arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the values of those parameters whose own flag was given; `--a` is a.codec.

    ParameterError if a value is not allowed.
    """
    given = {name: getattr(arguments, name.partition(".")[0]) for name in names}
    return {name: parse(name, value) for name, value in given.items() if value is not None}


def precision(arguments: argparse.Namespace) -> str:
    """Return the value of --precision."""
    return str(parse("precision", arguments.precision or PARAMETERS["precision"].default))


def seconds(given: str) -> float:
    """Return the value of --seconds. ParameterError if it is not greater than 0."""
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ParameterError(f'--seconds "{given}" is not allowed. Pass a number greater than 0.')
    return value


def slot_a(codec: str) -> tuple[str, str | None]:
    """Return codec and path of slot A. ParameterError if it is off."""
    if codec == "off":
        raise ParameterError("slot A cannot be off. Pass --a CODEC, and --b off for a single codec.")
    return split_codec_path(codec)


def slot_b(codec: str) -> tuple[str, str | None] | None:
    """Return codec and path of slot B; None if it is off."""
    return None if codec == "off" else split_codec_path(codec)


def count(text: str) -> int:
    """Return a number of things from a flag, at least 1."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
    return int(text)


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add --jobs."""
    parser.add_argument(
        "--jobs",
        type=count,
        default=0,
        metavar="N",
        help="files that are worked on at once (default: one on each core)",
    )
