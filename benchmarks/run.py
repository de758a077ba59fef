"""`verdigris bench`: every number in README and docs comes from here."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks import host, latency, rendering, start, table, worker
from benchmarks.report import Row, show
from models.codec import CodecError
from models.load import calm_threads
from realtime.priority import raise_priority
from realtime.usage import Parser

PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "host": lambda arguments: host.measure(),
    "worker": lambda arguments: worker.measure(),
    "render": lambda arguments: rendering.measure(arguments.minutes),
    "latency": lambda arguments: latency.measure(arguments.seconds),
    "start": lambda arguments: start.measure(),
}
NAMES = ("codec", *PARTS, "table")


def main(argv: Sequence[str]) -> None:
    """Measure one part, or host and worker, which take seconds."""
    parser = Parser(prog="verdigris bench")
    parser.add_argument(
        "part", nargs="*", type=_part, metavar="PART", help=f"what to measure: {', '.join(NAMES)} (host, worker)"
    )
    parser.add_argument("--minutes", type=_length, default=60.0, help="length of the rendered file")
    parser.add_argument("--seconds", type=_length, default=10.0, help="length of each latency measurement")
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="codec: measure this package beside ours (codicodec, music2latent); may be given again",
    )
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="bfloat16", help="codec: of our networks"
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="JSON", help="codec: fail where it was faster, machine for machine"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    if "table" in arguments.part:
        table.show()
        return
    if "codec" in arguments.part:
        _codec(arguments)
        return
    rows = [row for part in arguments.part or ("host", "worker") for row in PARTS[part](arguments)]
    show(rows, as_json=arguments.json)


def _codec(arguments: argparse.Namespace) -> None:
    calm_threads(preferred=raise_priority())
    codec = import_module("benchmarks.codec")  # torch takes its time
    found = codec.measure(arguments.precision, arguments.against)
    codec.show(found, as_json=arguments.json)
    if arguments.baseline:
        try:
            complaints = codec.slower(found, json.loads(arguments.baseline.read_text()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CodecError(f"{arguments.baseline}: no answer of `bench codec --json` ({error}).") from error
        if complaints:
            raise CodecError("slower than the baseline: " + "; ".join(complaints) + ".")


def _part(text: str) -> str:
    if text not in NAMES:
        raise argparse.ArgumentTypeError(f"{text} is not one of {', '.join(NAMES)}")
    return text


def _length(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0.1 to 1000")
    return value
