"""Command `doctor`: examine this machine, or measure the round trip of a sound card."""

from __future__ import annotations

import argparse
import json
from typing import Any

from realtime.cli import flags


def add_parser(commands: Any) -> None:
    """Add the command's parser to the subparsers of `verdigris`."""
    doctor = commands.add_parser("doctor", help="examine this machine, for example for a bug report")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    doctor.add_argument(
        "--loopback", action="store_true", help="measure a card's round trip, with a cable from output to input"
    )
    doctor.add_argument(
        "--forget",
        action="store_true",
        help="delete the compute times of earlier sessions, from which latency is planned",
    )
    flags.add_sound_card(doctor)
    flags.add_parameters(doctor, "rate", "block")
    doctor.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    if arguments.forget:
        from realtime.worker import compute_history

        print("compute times deleted" if compute_history.forget() else "no compute times were stored")
        return
    if arguments.loopback:
        from realtime.cli.devices import loopback

        given = flags.given_parameters(arguments, "rate", "block")
        measured = loopback(arguments, given.get("rate"), given.get("block"))
        print(json.dumps(measured) if arguments.json else measured["in_words"])
        return
    from realtime.cli.examination import examine

    print_findings(examine(), as_json=arguments.json)


def print_findings(findings: dict[str, Any], *, as_json: bool) -> None:
    """Print what an examination found, one line each or as JSON."""
    if as_json:
        print(json.dumps(findings, indent=2))
    else:
        for name, value in findings.items():
            print(f"{name:20} {value}")
