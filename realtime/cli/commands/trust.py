"""Command `trust`: allow a TorchScript file of the user's to run, or take that back."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command's parser to the subparsers of `verdigris`."""
    parser = commands.add_parser(
        "trust",
        help="allow a model of your own (.ts, .nm) to run",
        description="Such a file is a program. It runs in a process without the right to write files or to reach the "
        "network. The consent is kept by the file's SHA-256: a changed file needs another one.",
    )
    parser.add_argument("file", nargs="+", metavar="FILE", help="nn~ export (.ts) or Neutone model (.nm)")
    parser.add_argument("--revoke", action="store_true", help="take the consent back")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from models.load import give_consent, revoke_consent
    from realtime.parameters.table import ParameterError

    for name in arguments.file:
        line = (revoke_consent if arguments.revoke else give_consent)(name)
        if not line:
            raise ParameterError(f"{name}: only .ts and .nm files need a consent. Pass one of those.")
        print(line)
