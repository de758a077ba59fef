"""Inserts of DAWs, served by `live --driver plugin`.

Hosts decide sound, rate, block, latency and mix.
"""

from __future__ import annotations

import argparse

from realtime.cli import effect_flags, flags
from realtime.cli.open_session import given_parameters, osc_port, slots
from realtime.parameters.table import PARAMETERS, ParameterError
from realtime.session.insert_server import Options, serve

BLOCK = 1024  # samples, for which new inserts reserve latency; hosts pass their own block size later
_OF_THE_HOST = ("input", "record", "report", "rate", "latency", "monitor", "input_device", "output_device")


def serve_inserts(arguments: argparse.Namespace) -> None:
    """Serve inserts until Ctrl-C or for --seconds.

    ParameterError for flags that are the host's to decide.
    """
    fixed, values = given_parameters(arguments)
    refused = [f"--{name.replace('_', '-')}" for name in _OF_THE_HOST if getattr(arguments, name) is not None]
    refused += ["--block random"] if arguments.block == "random" else []
    if refused:
        raise ParameterError(f"{', '.join(refused)}: with --driver plugin the host decides this. Leave it out.")
    slot_a, slot_b = slots(fixed)
    options = Options(
        a=slot_a,
        b=slot_b,
        block=fixed.get("block", BLOCK),
        precision=fixed.get("precision", PARAMETERS["precision"].default),
        racks=effect_flags.racks(arguments),
        values=values,
        osc=osc_port(arguments),
    )
    missed = serve(options, None if arguments.seconds is None else flags.seconds(arguments.seconds))
    print("dropouts: " + (", ".join(f"{kind} {count}" for kind, count in missed.items()) or "no insert played"))
