"""Command `convert`: convert a released checkpoint to safetensors."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command's parser to the subparsers of `verdigris`."""
    parser = commands.add_parser("convert", help="convert a released CoDiCodec checkpoint for use here")
    parser.add_argument("source", type=Path, metavar="codicodec.pt", help="released checkpoint")
    parser.add_argument("target", type=Path, metavar="OUT.safetensors", help="checkpoint to write")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from models.load import convert
    from realtime.system.atomic_file import FileError, check_distinct, check_writable

    check_distinct(arguments.source, arguments.target)
    if arguments.target.suffix != ".safetensors":
        raise FileError(f"{arguments.target}: the output is safetensors. Pass a name that ends in .safetensors.")
    check_writable(arguments.target)
    convert(arguments.source, arguments.target)
    print(
        f"{arguments.target}: converted. Its weights stay under their own licence (CC BY-NC 4.0 for the released ones)."
    )
