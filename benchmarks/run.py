"""`verdigris bench`: every number in README and docs comes from here."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from benchmarks import batch, busy, codec_table, host, latency, rendering, time_to_sound, window_cost, worker
from benchmarks.report import Row, show
from models.codec import CodecError
from models.load import limit_openmp_spinning
from realtime.system.arg_parser import Parser
from realtime.system.atomic_file import check_writable
from realtime.system.platform.priority import raise_priority

PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "host": lambda arguments: host.measure(),
    "worker": lambda arguments: worker.measure(),
    "render": lambda arguments: rendering.measure(arguments.minutes),
    "latency": lambda arguments: latency.measure(arguments.seconds),
    "start": lambda arguments: time_to_sound.measure(),
    "window": lambda arguments: window_cost.measure(arguments.seconds),
    "busy": lambda arguments: busy.measure(),
    "batch": lambda arguments: batch.measure(arguments.seconds),
}
NAMES = ("codec", "family", "machine", "gpu", *PARTS, "table")


def main(argv: Sequence[str]) -> None:
    """Run the command: measure the named parts, by default host and worker, which take seconds."""
    parser = Parser(prog="verdigris bench")
    parser.add_argument(
        "part", nargs="*", type=_part, metavar="PART", help=f"what to measure: {', '.join(NAMES)} (host, worker)"
    )
    parser.add_argument(
        "--minutes", type=_length, default=60.0, help="render: length of the file in minutes (default %(default)s)"
    )
    parser.add_argument(
        "--seconds",
        type=_length,
        default=10.0,
        help="latency, batch, window: length of each measurement or file in seconds (default %(default)s)",
    )
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="PACKAGE",
        help="measure this package beside ours (codec: codicodec, music2latent; family: encodec, "
        "descript-audio-codec); repeat the flag or separate names by commas",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="bfloat16",
        help="codec: precision of our networks (default %(default)s)",
    )
    parser.add_argument(
        "--baseline",
        type=Path,
        metavar="JSON",
        help="codec: fail if a model is slower than in this earlier --json output",
    )
    parser.add_argument(
        "--isa",
        type=_isa,
        default="native",
        metavar="ISA",
        help="codec, machine: instruction set, native or avx2 (machine: both as native,avx2); default %(default)s",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("gpu.json"), metavar="JSON", help="gpu: file to write (default %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="machine: without the released size, which takes minutes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args(argv)
    if "table" in arguments.part:
        codec_table.show()
        return
    arguments.against = [name for given in arguments.against for name in given.split(",")]
    if "codec" in arguments.part:
        _codec(arguments)
        return
    if "family" in arguments.part:
        family = import_module("benchmarks.residual_family")  # imports torch, which takes seconds
        family.show(family.measure(arguments.against), as_json=arguments.json)
        return
    if "machine" in arguments.part:
        machine_table = import_module("benchmarks.machine_table")
        found = [machine_table.measure(isa, quick=arguments.quick) for isa in arguments.isa.split(",")]
        print(json.dumps(found, indent=1) if arguments.json else "\n\n".join(map(machine_table.markdown, found)))
        return
    if "gpu" in arguments.part:
        _gpu(arguments)
        return
    rows = [row for part in arguments.part or ("host", "worker") for row in PARTS[part](arguments)]
    show(rows, as_json=arguments.json)


def _codec(arguments: argparse.Namespace) -> None:
    if arguments.isa == "avx2" and os.environ.get("VERDIGRIS_ISA") != "avx2":
        machine_table = import_module("benchmarks.machine_table")
        environment = {**os.environ, **machine_table.ISAS["avx2"]}
        command = [sys.executable, "-m", "realtime.cli.main", "bench", *sys.argv[2:]]
        if code := subprocess.run(command, env=environment, check=False).returncode:
            raise CodecError(f"the child process with AVX2 ended with exit code {code}.")
        return
    limit_openmp_spinning(preferred=raise_priority())
    codec = import_module("benchmarks.codicodec_speed")  # imports torch, which takes seconds
    found = codec.measure(arguments.precision, arguments.against)
    codec.show(found, as_json=arguments.json)
    if arguments.baseline:
        try:
            complaints = codec.regressions(found, json.loads(arguments.baseline.read_text()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CodecError(f"{arguments.baseline} is not an output of `bench codec --json` ({error}).") from error
        if complaints:
            raise CodecError("slower than the baseline: " + "; ".join(complaints) + ".")


def _gpu(arguments: argparse.Namespace) -> None:
    """Measure, print the tables, and write everything as JSON; CodecError if something is not as it should be."""
    gpu = import_module("benchmarks.gpu")  # imports torch, which takes seconds
    gpu.describe("cuda")  # before minutes of work
    check_writable(arguments.out)
    found = gpu.measure()
    arguments.out.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(gpu.markdown(found))
    print(f"\nAll numbers: {arguments.out}")
    if wrong := gpu.complaints(found):
        raise CodecError("not as it should be: " + "; ".join(wrong) + ".")


def _part(text: str) -> str:
    if text not in NAMES:
        raise argparse.ArgumentTypeError(f"{text} is not one of {', '.join(NAMES)}")
    return text


def _isa(text: str) -> str:
    if not set(text.split(",")) <= {"native", "avx2"}:
        raise argparse.ArgumentTypeError(f"{text} is not native or avx2")
    return text


def _length(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0.1 to 1000")
    return value
