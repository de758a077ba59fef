"""Command `continue`: let a file or a tape go on by itself."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from realtime.cli.overwrite import confirm_overwrite
from realtime.parameters.table import PARAMETERS, ParameterError

SETTINGS = ("temperature", "top_p", "prompt", "loop_after", "seed")
LONGEST_S = 3600.0


def add_parser(commands: Any) -> None:
    """Add the command's parser to the subparsers of `verdigris`."""
    parser = commands.add_parser("continue", help="let a file or a tape go on by itself, through swift")
    parser.add_argument("input", type=Path, help="audio file, or a tape of swift")
    parser.add_argument("output", type=Path, help="the input through the codec, and what follows it: a file or a .tape")
    parser.add_argument("--codec", default="swift", metavar="CODEC", help="for audio files (default %(default)s)")
    parser.add_argument("--seconds", default="20", metavar="N", help="length of what follows (default %(default)s)")
    for name in SETTINGS:
        row = PARAMETERS[f"a.continue.{name}"]
        what = row.help.replace("slot A", "it")
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="N", help=f"{what} (default {row.default})")
    parser.add_argument("--force", action="store_true", help="overwrite a file that exists without asking")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from realtime.offline.continue_file import continue_file

    settings = {
        name: PARAMETERS[f"a.continue.{name}"].parse(given)
        for name in SETTINGS
        if (given := getattr(arguments, name)) is not None
    }
    if not arguments.force:
        confirm_overwrite(arguments.input, arguments.output)
    done = continue_file(arguments.input, arguments.output, arguments.codec, _seconds(arguments.seconds), settings)
    for remark in done["remarks"]:
        print(remark, file=sys.stderr)
    print(f"{arguments.output}: {done['heard']:.1f} s of {done['codec']}, and on to {done['seconds']:.1f} s")


def _seconds(given: str) -> float:
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST_S:
        raise ParameterError(f"--seconds {given} is not allowed. Pass a number above 0, up to {LONGEST_S:g}.")
    return seconds
