"""The command line: `verdigris` and what comes after it.

Exit codes: 0 done, 1 it could not be done (one line says why), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.codec import CodecError, Controls
from models.load import available, split_path
from realtime.audiofile import AudioFileError, Reader
from realtime.engine import EngineError, Settings
from realtime.latency import LatencyError
from realtime.params import PARAMETERS, ParameterError, parse, parse_assignment
from realtime.timeline import TimelineError

DEMO = Path(__file__).parent / "demo"
DEMO_CLIP = DEMO / "rockmix_sectoid_MIT.ogg"
DEMO_SECONDS = 15.0
DEMO_SCHEDULE = ((3.75, "monitor", "b"), (7.5, "monitor", "delta"), (11.25, "monitor", "dry"))
USER_ERRORS = (AudioFileError, CodecError, EngineError, LatencyError, ParameterError, TimelineError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    arguments = build_parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        arguments.run(arguments)
    except USER_ERRORS as error:
        print(f"verdigris: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("verdigris: stopped", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output has seen enough
        sys.stderr.close()
        return 1
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser; flags that are parameters come from the table."""
    parser = argparse.ArgumentParser(prog="verdigris", description="A neural audio codec in your signal path, live.")
    parser.set_defaults(run=run_demo)
    commands = parser.add_subparsers(metavar="COMMAND")

    live = commands.add_parser("live", help="play, live")
    _add_slots(live)
    live.add_argument("--driver", choices=("clock", "file"), default="clock", help="clock: in real time, no sound card")
    live.add_argument("--input", type=Path, metavar="FILE", help="what to play (default: the demo clip, looped)")
    _add_flags(live, "monitor", "latency", "rate")
    live.add_argument("--block", metavar="N", default="256", help="samples handed over at once, or random")
    live.add_argument("--seconds", type=_positive, metavar="N", help="stop after so many seconds")
    live.add_argument("--record", type=Path, metavar="DIR", help="write input, a, b and monitor as WAV there")
    live.add_argument("--report", type=Path, metavar="FILE", help="write a JSON report at the end")
    live.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="set any parameter")
    live.set_defaults(run=run_live)

    render = commands.add_parser("render", help="put a file through a codec")
    render.add_argument("input", type=Path)
    render.add_argument("output", type=Path, help="a float32 WAV, as long as the input")
    render.add_argument("--codec", default="opus:24", metavar="CODEC")
    render.add_argument("--path", choices=("continuous", "discrete"))
    render.add_argument("--steps", metavar="N", default=PARAMETERS["a.steps"].default)
    render.add_argument("--seed", metavar="N", default=PARAMETERS["a.seed"].default)
    render.add_argument("--json", action="store_true")
    render.set_defaults(run=run_render)

    plan = commands.add_parser("plan", help="say the latency, and what it is made of")
    _add_slots(plan)
    _add_flags(plan, "rate", "block", "latency")
    plan.add_argument("--json", action="store_true")
    plan.set_defaults(run=run_plan)

    codecs = commands.add_parser("codecs", help="list the codecs")
    codecs.add_argument("--json", action="store_true")
    codecs.set_defaults(run=run_codecs)

    doctor = commands.add_parser("doctor", help="look at this machine; what a bug report needs")
    doctor.add_argument("--json", action="store_true")
    doctor.set_defaults(run=run_doctor)

    for name, about in (("train", "train a network"), ("evaluate", "judge a codec beside others")):
        rest = commands.add_parser(name, help=about, add_help=False, prefix_chars="\0")  # no option is its own
        rest.add_argument("rest", nargs=argparse.REMAINDER)
        rest.set_defaults(run=run_train if name == "train" else run_evaluate)

    bench = commands.add_parser("bench", help="measure", add_help=False)
    bench.add_argument("rest", nargs=argparse.REMAINDER)
    bench.set_defaults(run=run_bench)
    return parser


def run_demo(arguments: argparse.Namespace) -> None:
    """What plain `verdigris` does: the demo clip through both slots, everything heard in turn, recorded in out/."""
    live = build_parser().parse_args(["live", "--record", "out", "--report", "out/report.json"])
    live.seconds, live.schedule = DEMO_SECONDS, DEMO_SCHEDULE
    run_live(live)
    print("out/ holds input.wav, a.wav, b.wav, monitor.wav and report.json")


def run_live(arguments: argparse.Namespace) -> None:
    from realtime.live import Session, play

    values = dict(parse_assignment(text) for text in arguments.set)
    if arguments.monitor is not None:
        values["monitor"] = parse("monitor", arguments.monitor)
    fixed = {name: values.pop(name) for name in list(values) if PARAMETERS[name].when == "restart"}
    block: int | str = arguments.block if arguments.block == "random" else parse("block", arguments.block)
    rate = parse("rate", arguments.rate) if arguments.rate is not None else fixed.get("rate")
    source = Reader(arguments.input or DEMO_CLIP, rate, loop=arguments.input is None)
    if arguments.input is None and arguments.seconds is None and arguments.driver == "file":
        raise ParameterError("--driver file without --input never ends. Pass --seconds N or --input FILE.")
    settings = Settings(
        rate=source.rate,
        block=1024 if block == "random" else int(fixed.get("block", block)),
        a=split_path(arguments.a or fixed.get("a.codec", PARAMETERS["a.codec"].default)),
        b=_optional(arguments.b or fixed.get("b.codec", PARAMETERS["b.codec"].default)),
        latency=parse("latency", arguments.latency or fixed.get("latency", 0)),
        offline=arguments.driver == "file",
    )
    session = Session(
        settings=settings,
        driver=arguments.driver,
        block=block if block == "random" else settings.block,
        source=source,
        seconds=arguments.seconds,
        record=arguments.record,
        report=arguments.report,
        values=values,
        schedule=getattr(arguments, "schedule", ()),
    )
    try:
        report = play(session)
    finally:
        source.close()
    load, missed = report["real_time_factor"], sum(report["misses"].values())
    print(
        f"played {report['seconds']:.1f} s, latency {report['latency_samples']} samples, "
        f"{load['p50']:.3f} × RT (p99 {load['p99']:.3f}), {missed} misses"
    )


def run_render(arguments: argparse.Namespace) -> None:
    from rich.progress import Progress

    from realtime.render import render

    controls = Controls(steps=parse("a.steps", arguments.steps), seed=parse("a.seed", arguments.seed))
    name, path = split_path(arguments.codec)
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("rendering", total=1.0)
        done = render(
            arguments.input,
            arguments.output,
            name,
            arguments.path or path,
            controls,
            lambda part: bar.update(task, completed=part),
        )
    if arguments.json:
        print(json.dumps(done))
    else:
        print(
            f"{arguments.output}: {done['seconds']:.1f} s through {done['codec']} {done['path']}, "
            f"{done['bitrate']:.1f} kbit/s, {done['real_time_factor']:.3f} × RT"
        )


def run_plan(arguments: argparse.Namespace) -> None:
    from realtime.latency import plan
    from realtime.service import Request, describe, open_lanes

    rate = parse("rate", arguments.rate or PARAMETERS["rate"].default)
    block = parse("block", arguments.block or PARAMETERS["block"].default)
    slots: list[tuple[int, str, str | None]] = [(0, *split_path(arguments.a or PARAMETERS["a.codec"].default))]
    if b := _optional(arguments.b or PARAMETERS["b.codec"].default):
        slots.append((1, *b))
    lanes = open_lanes(Request(tuple(slots), rate))
    ready = describe(lanes, [lane.warm_up() for lane in lanes])
    planned = plan(ready.needs, rate=rate, block=block, latency=parse("latency", arguments.latency or 0))
    if arguments.json:
        facts = {"sample_rate": rate, "latency_samples": planned.latency, "latency_terms": planned.terms}
        print(json.dumps({**facts, "real_time_factor": ready.load}))
        return
    for term, samples in planned.terms.items():
        print(f"{term:>10} {samples:7} samples {1000 * samples / rate:8.1f} ms")
    print(f"{'latency':>10} {planned.latency:7} samples {planned.milliseconds:8.1f} ms at {rate} Hz")
    if ready.load >= 1.0:
        print(f"{ready.load:.2f} × real time: too slow here. Fewer steps, a smaller codec, or a GPU.")


def run_codecs(arguments: argparse.Namespace) -> None:
    specs = available()
    if arguments.json:
        print(json.dumps([{**vars(spec), "latent": list(spec.latent), "paths": list(spec.paths)} for spec in specs]))
        return
    print(f"{'codec':12} {'rate':>6} {'hop':>6} {'ms':>7} {'look-ahead':>10} {'tokens':>12}  paths")
    for spec in specs:
        tokens = f"{spec.tokens} of {spec.cardinality}" if spec.tokens else "-"
        print(
            f"{spec.name:12} {spec.sample_rate:6} {spec.hop:6} {1000 / spec.frame_rate:7.1f} {spec.lookahead:10} "
            f"{tokens:>12}  {', '.join(spec.paths)}"
        )


def run_doctor(arguments: argparse.Namespace) -> None:
    from realtime.doctor import examine

    findings = examine()
    if arguments.json:
        print(json.dumps(findings, indent=2))
    else:
        for name, value in findings.items():
            print(f"{name:20} {value}")


def run_train(arguments: argparse.Namespace) -> None:
    from models.training.train import main as train

    train(arguments.rest)


def run_evaluate(arguments: argparse.Namespace) -> None:
    from models.training.evaluate import main as evaluate

    evaluate(arguments.rest or [str(DEMO)])


def run_bench(arguments: argparse.Namespace) -> None:
    import importlib

    importlib.import_module("benchmarks.run").main(arguments.rest)


def _add_slots(parser: argparse.ArgumentParser) -> None:
    for slot in "ab":
        row = PARAMETERS[f"{slot}.codec"]
        off = ", or off" if slot == "b" else ""
        parser.add_argument(f"--{slot}", metavar="CODEC[:PATH]", help=f"{row.help}{off} (default {row.default})")


def _add_flags(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        row = PARAMETERS[name]
        default = row.default if name != "rate" or "plan" in parser.prog else "the file's"
        parser.add_argument(
            f"--{name}",
            metavar="N" if row.low is not None else "PATH",
            help=f"{row.help}: {row.allowed} (default {default})",
        )


def _optional(codec: str) -> tuple[str, str | None] | None:
    """Slot B may be off."""
    return None if codec == "off" else split_path(codec)


def _positive(text: str) -> float:
    value: Any = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return float(value)


if __name__ == "__main__":
    sys.exit(main())
