"""Commands `desktop`, an entry in the system's menu of applications, and `completion` of shells."""

from __future__ import annotations

import argparse
from typing import Any

SHELLS = ("bash", "zsh", "tcsh")


def add_parsers(commands: Any) -> None:
    """Add the commands' parsers to the subparsers of `verdigris`."""
    desktop = commands.add_parser("desktop", help="add the window to the menu of applications, or remove it")
    desktop.add_argument("action", choices=("install", "uninstall"))
    desktop.set_defaults(run=_desktop)
    completion = commands.add_parser("completion", help="print a script that completes commands and flags in a shell")
    completion.add_argument("shell", choices=SHELLS)
    completion.set_defaults(run=_completion)


def _desktop(arguments: argparse.Namespace) -> None:
    from realtime.system.platform import desktop

    if arguments.action == "install":
        desktop.install()
        print(f"installed {desktop.places()[0]}")
        return
    print("\n".join(f"removed {place}" for place in desktop.uninstall()) or "it was not installed")


def _completion(arguments: argparse.Namespace) -> None:
    import shtab

    print(shtab.complete(arguments.parser, arguments.shell))
