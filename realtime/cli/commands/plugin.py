"""Command `plugin`: install the insert for DAWs, or examine what is installed."""

from __future__ import annotations

import argparse
from typing import Any

from realtime.cli.commands.doctor import print_findings


def add_parser(commands: Any) -> None:
    """Add the command's parser to the subparsers of `verdigris`."""
    plugin = commands.add_parser("plugin", help="install the insert for DAWs: LV2 and CLAP")
    plugin.add_argument(
        "action",
        choices=("install", "doctor", "uninstall"),
        help="install: where hosts find it; doctor: print what is installed",
    )
    plugin.add_argument("--json", action="store_true", help="print JSON, with doctor")
    plugin.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from realtime.plugin.install import examine, install, uninstall

    if arguments.action != "doctor":
        for line in install() if arguments.action == "install" else uninstall():
            print(line)
        return
    print_findings(examine(), as_json=arguments.json)
