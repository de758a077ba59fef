"""`verdigris bench`: every number in README and docs comes from here."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks import codec, host, latency, rendering, worker
from benchmarks.report import show

PARTS = {
    "codec": lambda arguments: codec.measure(arguments.against),
    "host": lambda arguments: host.measure(),
    "worker": lambda arguments: worker.measure(),
    "render": lambda arguments: rendering.measure(arguments.minutes),
    "latency": lambda arguments: latency.measure(arguments.seconds),
}


def main(argv: Sequence[str]) -> None:
    """Measure one part, or host and worker, which take seconds."""
    parser = argparse.ArgumentParser(prog="verdigris bench")
    parser.add_argument("part", nargs="*", choices=(*PARTS, []), default=[], help="what to measure (host, worker)")
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the rendered file")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each latency measurement")
    parser.add_argument("--against", metavar="PACKAGE", help="codec: measure this package beside ours (codicodec)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    rows = [row for part in arguments.part or ("host", "worker") for row in PARTS[part](arguments)]
    show(rows, as_json=arguments.json)
