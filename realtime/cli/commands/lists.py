"""Commands `codecs`, `devices`, `effects` and `osc`: print what is available."""

from __future__ import annotations

import argparse
import json
from typing import Any

from realtime.cli.flags import add_trust, give_consent


def add_parsers(commands: Any) -> None:
    """Add the parsers of these commands to the subparsers of `verdigris`."""
    for name, help_, run in (
        ("codecs", "list the codecs", run_codecs),
        ("devices", "list the sound cards", run_devices),
    ):
        parser = commands.add_parser(name, help=help_)
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.set_defaults(run=run)
    effects = commands.add_parser("effects", help="list the effects for the rack")
    effects.add_argument("effect", nargs="?", metavar="KIND:WHERE", help="list the controls of this effect")
    add_trust(effects)
    effects.add_argument("--json", action="store_true", help="print JSON")
    effects.set_defaults(run=run_effects)
    osc = commands.add_parser("osc", help="print docs/osc.md, the page of all OSC addresses")
    osc.set_defaults(run=run_osc)


def run_codecs(arguments: argparse.Namespace) -> None:
    """Run `codecs`."""
    from realtime.worker import codec_catalogue

    found = codec_catalogue.rows()
    print(json.dumps(found) if arguments.json else codec_catalogue.table(found))


def run_devices(arguments: argparse.Namespace) -> None:
    """Run `devices`."""
    from realtime.cli import devices

    found = devices.listing()
    print(json.dumps(found, indent=2) if arguments.json else devices.table(found))


def run_effects(arguments: argparse.Namespace) -> None:
    """Run `effects`."""
    from realtime.effects import catalogue

    give_consent(arguments)
    found = catalogue.controls(arguments.effect) if arguments.effect else catalogue.listing()
    print(json.dumps(found, indent=2) if arguments.json else catalogue.table(found))


def run_osc(arguments: argparse.Namespace) -> None:
    """Run `osc`."""
    from realtime.osc.docs_page import document

    print(document(), end="")
