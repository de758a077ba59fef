"""`verdigris bench`: every number in README and docs comes from here."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module

from benchmarks import host, latency, rendering, table, worker
from benchmarks.report import Row, show
from realtime.usage import Parser

PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "codec": lambda arguments: import_module("benchmarks.codec").measure(arguments.against),  # torch takes its time
    "host": lambda arguments: host.measure(),
    "worker": lambda arguments: worker.measure(),
    "render": lambda arguments: rendering.measure(arguments.minutes),
    "latency": lambda arguments: latency.measure(arguments.seconds),
}


def main(argv: Sequence[str]) -> None:
    """Measure one part, or host and worker, which take seconds."""
    parser = Parser(prog="verdigris bench")
    parser.add_argument(
        "part", nargs="*", type=_part, metavar="PART", help=f"what to measure: {', '.join(PARTS)}, table (host, worker)"
    )
    parser.add_argument("--minutes", type=_length, default=60.0, help="length of the rendered file")
    parser.add_argument("--seconds", type=_length, default=10.0, help="length of each latency measurement")
    parser.add_argument("--against", metavar="PACKAGE", help="codec: measure this package beside ours (codicodec)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    if "table" in arguments.part:
        table.show()
        return
    rows = [row for part in arguments.part or ("host", "worker") for row in PARTS[part](arguments)]
    show(rows, as_json=arguments.json)


def _part(text: str) -> str:
    if text not in (*PARTS, "table"):
        raise argparse.ArgumentTypeError(f"{text} is not one of {', '.join(PARTS)}, table")
    return text


def _length(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0.1 to 1000")
    return value
