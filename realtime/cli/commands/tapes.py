"""Commands `play`, `pack` and `unpack`: decode tapes, make them smaller, and restore them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from realtime.cli import flags


def add_play_parser(commands: Any) -> None:
    """Add the parser of `play` to the subparsers of `verdigris`."""
    play = commands.add_parser("play", help="decode a tape")
    play.add_argument("tape", type=Path, help="tape that live or render recorded")
    play.add_argument("output", type=Path, help="file to write: WAV (float32), or another format as in render")
    play.add_argument(
        "--codec",
        metavar="CODEC",
        help="codec that recorded the tape, if it was a checkpoint of your own (default: as the tape says)",
    )
    flags.add_parameters(play, "precision")
    play.set_defaults(run=run_play)


def add_pack_parsers(commands: Any) -> None:
    """Add the parsers of `pack` and `unpack` to the subparsers of `verdigris`."""
    pack = commands.add_parser("pack", help="make a tape of tokens smaller, without loss")
    pack.add_argument("tape", type=Path, help="tape of tokens")
    pack.add_argument("target", type=Path, metavar="OUT", help="packed tape to write")
    pack.add_argument("--drop-damaged", action="store_true", help="pack a damaged tape without what is damaged")
    pack.set_defaults(run=run_pack)
    unpack = commands.add_parser("unpack", help="restore a packed tape, on any machine")
    unpack.add_argument("packed", type=Path, help="packed tape")
    unpack.add_argument("target", type=Path, metavar="TAPE", help="tape to write")
    unpack.set_defaults(run=run_unpack)


def run_play(arguments: argparse.Namespace) -> None:
    """Run `play`."""
    from realtime.offline.play_tape import play_tape

    done = play_tape(arguments.tape, arguments.output, arguments.codec, flags.precision(arguments))
    for remark in done["remarks"]:
        print(remark, file=sys.stderr)
    print(f"{arguments.output}: {done['seconds']:.1f} s of {done['codec']} {done['path']}")


def run_pack(arguments: argparse.Namespace) -> None:
    """Run `pack`."""
    from realtime.offline.pack_tape import pack

    nominal, coded, damage = pack(arguments.tape, arguments.target, drop_damaged=arguments.drop_damaged)
    for lost in damage:
        print(f"{arguments.tape}: {lost}, and left out", file=sys.stderr)
    saved = f", {100 * (1 - coded / nominal):.1f} % less" if nominal else ""
    print(f"{arguments.target}: {nominal} bytes of tokens in {coded}{saved}")


def run_unpack(arguments: argparse.Namespace) -> None:
    """Run `unpack`."""
    from realtime.offline.pack_tape import unpack

    print(f"{arguments.target}: {unpack(arguments.packed, arguments.target)} frames, as they were recorded")
