"""Command `live`: play a session, or serve the inserts of DAWs; alone, `verdigris` plays a demo by
it.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime.cli import effect_flags
from realtime.cli.flags import add_parameters, add_slots, add_sound_card, add_trust, default_of, give_consent
from realtime.drivers.registry import DRIVERS
from realtime.parameters.table import PARAMETERS

if TYPE_CHECKING:
    from realtime.worker.worker_process import WorkerProcess

DEMO = ("live", "--driver", "clock", "--seconds", "15", "--record", "out", "--report", "out/report.json")
DEMO_SCHEDULE = ((3.75, "monitor", "b"), (7.5, "monitor", "delta"), (11.25, "monitor", "dry"))
DEMO_LATENCY = "24000"  # samples, so that a busy machine causes no dropouts


def add_parser(commands: Any) -> None:
    """Add the command's parser to the subparsers of `verdigris`."""
    live = commands.add_parser("live", help="play live, or serve the inserts in your DAW")
    add_slots(live)
    kinds = "; ".join(f"{name}: {entry.help}" for name, entry in DRIVERS.items())
    live.add_argument(
        "--driver",
        choices=(*DRIVERS, "plugin"),
        help=f"{kinds}; plugin: the inserts in your DAW (verdigris plugin) "
        "(default device if there is one and no --input, else clock)",
    )
    add_sound_card(live)
    effect_flags.add(live, "--post-a", "--post-b")
    live.add_argument(
        "--input",
        type=Path,
        metavar="FILE",
        help="audio file to play once, or pyo:FILE, a patch (default: the demo clip, looped)",
    )
    add_parameters(live, "monitor", "latency", "rate", "precision")
    live.add_argument(
        "--block",
        metavar="N",
        help=f"{PARAMETERS['block'].help}, or random (1 to 1024, for tests) {default_of('block')}",
    )
    live.add_argument("--seconds", metavar="N", help="stop after N seconds")
    live.add_argument(
        "--record", type=_directory, metavar="DIR", help="record input, A, B and monitor as WAV files in DIR"
    )
    live.add_argument("--report", type=Path, metavar="FILE", help="write a JSON report at the end")
    live.add_argument("--adapt", action="store_const", const="on", help=PARAMETERS["adapt"].help)
    add_trust(live)
    live.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="set any parameter")
    live.add_argument(
        "--osc",
        metavar="PORT|off",
        help="port of OSC, by which the window connects (default 9130; 0: any free port; with driver file: off)",
    )
    live.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    give_consent(arguments)
    if arguments.driver == "plugin":
        from realtime.cli.serve_inserts import serve_inserts

        serve_inserts(arguments)
    else:
        play(arguments, prestarted_worker=_prestart(arguments))


def run_demo(arguments: argparse.Namespace) -> None:
    """Play the demo clip through both slots, change the monitor meanwhile, and record to out/."""
    if arguments.latency is None:
        arguments.latency = DEMO_LATENCY
    directory = play(arguments, DEMO_SCHEDULE, _prestart(arguments))["recording"]
    also = " and report.json" if directory == str(arguments.record) else f"; {arguments.record}/ holds report.json"
    print(f"{directory}/ holds input.wav, a.wav, b.wav, monitor.wav{also}")


def play(
    arguments: argparse.Namespace,
    schedule: Sequence[tuple[float, str, Any]] = (),
    prestarted_worker: WorkerProcess | None = None,
) -> dict[str, Any]:
    """Play a session and return its report. `schedule` is that of SessionConfig."""
    gc.disable()  # importing leaves no garbage, and looking for it takes a quarter of the time
    from realtime.cli.open_session import open_session
    from realtime.session.live_session import play as play_session

    gc.enable()
    session = replace(open_session(arguments, schedule), prestarted_worker=prestarted_worker)
    try:
        report = play_session(session)
    finally:
        session.close()
    load, missed = report["real_time_factor"], sum(report["misses"].values())
    print(
        f"played {report['seconds']:.1f} s, latency {report['latency_samples']} samples = "
        f"{1000 * report['latency_samples'] / report['sample_rate']:.1f} ms, "
        f"{load['p50']:.3f} × RT (p99 {load['p99']:.3f}), {missed} dropouts"
    )
    return report


def _prestart(arguments: argparse.Namespace) -> WorkerProcess | None:
    """Start a worker process that imports its modules while this process imports its own."""
    if arguments.driver and DRIVERS[arguments.driver].offline:  # its worker is a thread
        return None
    from realtime.worker.worker_process import WorkerProcess

    return WorkerProcess()


def _directory(text: str) -> Path:
    if not text:  # Path("") would be the current directory
        raise argparse.ArgumentTypeError("empty name. Pass a name, or . for the current directory")
    return Path(text)
