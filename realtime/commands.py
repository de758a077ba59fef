"""What the commands do: from parsed arguments to a session, a rendered file, a table on the screen."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.progress import Progress

from models.codec import Controls
from models.load import available, convert, split_path
from realtime import audiofile, devices, doctor
from realtime.audiofile import Reader
from realtime.config import keep_insert_latency
from realtime.demo import CLIP
from realtime.engine import Settings
from realtime.inserts import Options, serve
from realtime.job import Job
from realtime.latency import plan
from realtime.live import CANNOT_BEGIN, play
from realtime.mix import uses_b
from realtime.osc.doc import document
from realtime.osc.server import PORT
from realtime.packing import pack, unpack
from realtime.params import PARAMETERS, ParameterError, parse, parse_assignment
from realtime.playback import play_tape
from realtime.plugin.build import CompilerError
from realtime.plugin.places import InstallError, examine, install
from realtime.rack import flags, listing
from realtime.rack.patch_source import PatchSource, is_patch
from realtime.rack.rows import is_control
from realtime.recorder import check_directory
from realtime.render import render
from realtime.service import Request, describe, open_lanes, tune_lanes, warm_up
from realtime.session import Session
from realtime.wholefile import FileError, check_apart, check_writable
from realtime.worker_process import WorkerProcess

DEMO_SCHEDULE = ((3.75, "monitor", "b"), (7.5, "monitor", "delta"), (11.25, "monitor", "dry"))
INSERT_BLOCK = 1024  # hosts say theirs; new inserts reserve for this
USER_ERRORS = (*CANNOT_BEGIN, CompilerError, InstallError)


DEMO_LATENCY = "24000"  # samples


def run_first(arguments: argparse.Namespace, started: WorkerProcess) -> None:
    """What plain `verdigris` does: the demo clip through both slots, everything heard in turn, recorded in out/."""
    if arguments.latency is None:  # nobody plays to it: room for frames that a busy machine computes slowly
        arguments.latency = DEMO_LATENCY
    place = run_live(arguments, started, DEMO_SCHEDULE)["recording"]
    also = " and report.json" if place == str(arguments.record) else f"; {arguments.record}/ holds report.json"
    print(f"{place}/ holds input.wav, a.wav, b.wav, monitor.wav{also}")


def run_live(
    arguments: argparse.Namespace,
    started: WorkerProcess | None = None,
    schedule: Sequence[tuple[float, str, Any]] = (),
) -> dict[str, Any]:
    """The report. `started` is a process for the worker, if there is one already."""
    if arguments.driver == "plugin":
        return _run_inserts(arguments)
    session = replace(open_session(arguments, schedule), started=started)
    try:
        report = play(session)
    finally:
        session.close()
    load, missed = report["real_time_factor"], sum(report["misses"].values())
    print(
        f"played {report['seconds']:.1f} s, latency {report['latency_samples']} samples, "
        f"{load['p50']:.3f} × RT (p99 {load['p99']:.3f}), {missed} misses"
    )
    return report


_CARD = {"driver": "driver", "device.input": "input_device", "device.output": "output_device"}  # parameters, flags


def _changed(arguments: argparse.Namespace, changed: Mapping[str, Any]) -> argparse.Namespace:
    """With these parameters as if they had been given by their flags; a card that is named is meant to play."""
    if changed.get("device.input") or changed.get("device.output"):
        changed = {**changed, "driver": "device"}
    given = {_CARD.get(name, name.removesuffix(".codec")): str(value) or None for name, value in changed.items()}
    return argparse.Namespace(**{**vars(arguments), **given})


def _given(arguments: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters by --set or a flag: those that are fixed when a stream begins, and the others."""
    assignments = [parse_assignment(text) for text in arguments.set]
    assignments.sort(key=lambda assignment: assignment[0] == "record")  # a take begins where the others say
    values = dict(assignments) | _flags(
        arguments,
        *("monitor", "adapt", "a.codec", "b.codec", "rate", "latency", "precision"),
        *(() if arguments.block == "random" else ("block",)),
    )
    fixed = {
        name: values.pop(name)
        for name in list(values)
        if not is_control(name) and PARAMETERS[name].when in ("load", "restart")
    }
    return fixed, values


def open_session(arguments: argparse.Namespace, schedule: Sequence[tuple[float, str, Any]] = ()) -> Session:
    """What `live` is to play with these arguments."""
    random = arguments.block == "random"
    fixed, values = _given(arguments)
    arguments = _changed(arguments, {name: fixed[name] for name in _CARD if name in fixed})
    seconds = None if arguments.seconds is None else seconds_of(arguments.seconds)
    a = _required(fixed.get("a.codec", PARAMETERS["a.codec"].default))
    b = _optional(fixed.get("b.codec", PARAMETERS["b.codec"].default))
    for name, value in values.items():
        if name.endswith(".bend.file") and value and not Path(value).is_file():
            raise ParameterError(f"{name} {value}: no such file. Pass a Python file that has a function bend.")
    if values.get("record") or "record.directory" in values:
        check_directory(values.get("record.directory", PARAMETERS["record.directory"].default))
    monitor = values.get("monitor", PARAMETERS["monitor"].default)
    if uses_b(monitor) and not b:
        raise ParameterError(f"monitor {monitor}: slot B is off. Pass --b CODEC, or --monitor dry, a or delta.")
    patch = is_patch(arguments.input)
    if (arguments.input is None or patch) and seconds is None and arguments.driver == "file":
        raise ParameterError("--driver file without a file never ends. Pass --seconds N or --input FILE.")
    racks = flags.racks(arguments, offline=arguments.driver == "file")
    if patch and arguments.driver == "device":
        raise ParameterError(f"a card plays no patch as its input. Pass --pre {arguments.input}, which plays it in.")
    if arguments.input and not patch:
        audiofile.check(arguments.input, seconds)
    card = devices.card_for(arguments, fixed.get("rate"), fixed.get("block"))
    source: Reader | PatchSource | None = None
    try:
        if patch:
            source = PatchSource(str(arguments.input), fixed.get("rate"), patience_s=racks.patience_s)
        elif card is None or arguments.input:  # a card plays the file itself; here it tells its length
            rate = card.found.rate if card else fixed.get("rate")
            source = Reader(arguments.input or CLIP, rate, loop=arguments.input is None)
    except BaseException:
        if card:
            card.stop()
        raise
    settings = Settings(
        rate=card.found.rate if card else source.rate if source else 0,
        block=card.found.block if card else 1024 if random else fixed.get("block", PARAMETERS["block"].default),
        a=a,
        b=b,
        latency=fixed.get("latency", 0),
        precision=fixed.get("precision", PARAMETERS["precision"].default),
        offline=arguments.driver == "file",
        racks=racks,
    )
    driver = "device" if card else arguments.driver or "clock"
    return Session(
        settings=settings,
        driver=driver,
        block="random" if random else settings.block,
        source=source,
        seconds=seconds,
        record=arguments.record,
        report=arguments.report,
        values=values,
        schedule=schedule,
        card=card,
        osc=_osc_port(arguments),
        reopen=lambda changed: open_session(_changed(arguments, {"driver": driver, **changed})),
    )


def _run_inserts(arguments: argparse.Namespace) -> dict[str, Any]:
    """live --driver plugin: hosts give sound, rate, block, latency and mix, so that leaves little to say here."""
    fixed, values = _given(arguments)
    asked = ("input", "record", "report", "rate", "latency", "monitor", "input_device", "output_device")
    refused = [f"--{name.replace('_', '-')}" for name in asked if getattr(arguments, name) is not None]
    refused += ["--block random"] if arguments.block == "random" else []
    if refused:
        raise ParameterError(f"{', '.join(refused)}: with --driver plugin that is the host's. Leave it out.")
    options = Options(
        a=_required(fixed.get("a.codec", PARAMETERS["a.codec"].default)),
        b=_optional(fixed.get("b.codec", PARAMETERS["b.codec"].default)),
        block=fixed.get("block", INSERT_BLOCK),
        precision=fixed.get("precision", PARAMETERS["precision"].default),
        racks=flags.racks(arguments),
        values=values,
        osc=_osc_port(arguments),
    )
    missed = serve(options, None if arguments.seconds is None else seconds_of(arguments.seconds))
    print("holes: " + (", ".join(f"{kind} {count}" for kind, count in missed.items()) or "no insert played"))
    return {"misses": missed}


def run_plugin(arguments: argparse.Namespace) -> None:
    if arguments.action == "install":
        for line in install():
            print(line)
        return
    findings = examine()
    if arguments.json:
        print(json.dumps(findings, indent=2))
    else:
        for name, value in findings.items():
            print(f"{name:18} {value}")


def run_render(arguments: argparse.Namespace) -> None:
    steps, seed = (replace(PARAMETERS[f"a.{name}"], name=f"--{name}") for name in ("steps", "seed"))
    controls = Controls(steps=steps.parse(arguments.steps), seed=seed.parse(arguments.seed))
    name, path = split_path(arguments.codec)
    if is_patch(arguments.input) and arguments.seconds is None:
        raise ParameterError(f"{arguments.input} has no end. Pass --seconds N.")
    if arguments.seconds is not None and not is_patch(arguments.input):
        raise ParameterError("--seconds: a file is rendered whole, only a patch has no end. Leave it out.")
    wanted = CLIP if str(arguments.input) == "demo" and not arguments.input.exists() else arguments.input
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("rendering", total=1.0)
        job = Job(
            wanted,
            arguments.output,
            name,
            arguments.path or path,
            arguments.mode,
            controls,
            _precision(arguments),
            arguments.tokens,
            flags.racks(arguments, offline=True),
            dict(_control(text) for text in arguments.set),
            None if arguments.seconds is None else seconds_of(arguments.seconds),
        )
        done = render(job, lambda part: bar.update(task, completed=part))
    for remark in done.get("remarks", ()):
        print(remark, file=sys.stderr)
    if arguments.json:
        print(json.dumps(done))
    else:
        print(
            f"{arguments.output}: {done['seconds']:.1f} s through {done['codec']} {done['path']}, "
            f"{done['bitrate']:.1f} kbit/s, {done['real_time_factor']:.3f} × RT"
        )


def run_play(arguments: argparse.Namespace) -> None:
    done = play_tape(arguments.tape, arguments.output, arguments.codec, _precision(arguments))
    lost = f", {done['lost_bytes']} bytes at its end were not whole" if done["lost_bytes"] else ""
    print(f"{arguments.output}: {done['seconds']:.1f} s of {done['codec']} {done['path']}{lost}")


def run_pack(arguments: argparse.Namespace) -> None:
    nominal, coded = pack(arguments.tape, arguments.target)
    saved = f", {100 * (1 - coded / nominal):.1f} % less" if nominal else ""
    print(f"{arguments.target}: {nominal} bytes of tokens in {coded}{saved}")


def run_unpack(arguments: argparse.Namespace) -> None:
    print(f"{arguments.target}: {unpack(arguments.packed, arguments.target)} frames, as they were recorded")


def run_convert(arguments: argparse.Namespace) -> None:
    check_apart(arguments.source, arguments.target)
    if arguments.target.suffix != ".safetensors":
        raise FileError(f"{arguments.target}: safetensors are what is written. Pass a name that ends in .safetensors.")
    check_writable(arguments.target)
    convert(arguments.source, arguments.target)
    print(
        f"{arguments.target}: converted. Its weights stay under their own licence (CC BY-NC 4.0 for the released ones)."
    )


def run_plan(arguments: argparse.Namespace) -> None:
    names = ("a.codec", "b.codec", "rate", "block", "latency", "precision")
    given = {name: PARAMETERS[name].default for name in names} | _flags(arguments, *names)
    rate = given["rate"]
    slots: list[tuple[int, str, str | None]] = [(0, *_required(given["a.codec"]))]
    if b := _optional(given["b.codec"]):
        slots.append((1, *b))
    request = Request(tuple(slots), rate, precision=given["precision"], racks=flags.racks(arguments))
    with contextlib.ExitStack() as at_end:
        lanes = open_lanes(request)
        for lane in lanes:
            at_end.callback(lane.close)
        tune_lanes(lanes)
        compute_s, remarks = warm_up(lanes, request)
        ready = describe(lanes, compute_s)
    planned = plan(ready.needs, rate=rate, block=given["block"], latency=given["latency"])
    keep_insert_latency(planned)
    if arguments.json:
        facts = {"sample_rate": rate, "latency_samples": planned.latency, "latency_terms": planned.terms}
        print(json.dumps({**facts, "real_time_factor": ready.load}))
        return
    for term, samples in planned.terms.items():
        print(f"{term:>10} {samples:7} samples {1000 * samples / rate:8.1f} ms")
    print(f"{'latency':>10} {planned.latency:7} samples {planned.milliseconds:8.1f} ms at {rate} Hz")
    for remark in remarks:
        print(remark)
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


def run_devices(arguments: argparse.Namespace) -> None:
    found = devices.listing()
    print(json.dumps(found, indent=2) if arguments.json else devices.table(found))


def run_effects(arguments: argparse.Namespace) -> None:
    found = listing.controls(arguments.effect) if arguments.effect else listing.listing()
    print(json.dumps(found, indent=2) if arguments.json else listing.table(found))


def run_osc(arguments: argparse.Namespace) -> None:
    print(document(), end="")


def run_doctor(arguments: argparse.Namespace) -> None:
    if arguments.loopback:
        given = _flags(arguments, "rate", "block")
        measured = devices.loopback(arguments, given.get("rate"), given.get("block"))
        print(json.dumps(measured) if arguments.json else measured["in_words"])
        return
    findings = doctor.examine()
    if arguments.json:
        print(json.dumps(findings, indent=2))
    else:
        for name, value in findings.items():
            print(f"{name:20} {value}")


def _flags(arguments: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Parameters that were given by a flag of their own; `--a` is a.codec."""
    given = {name: getattr(arguments, name.partition(".")[0]) for name in names}
    return {name: parse(name, value) for name, value in given.items() if value is not None}


def _control(text: str) -> tuple[str, str]:
    """An effect's control and its value, as they stand in --set."""
    name, equals, value = text.partition("=")
    if not (equals and is_control(name)):
        raise ParameterError(
            f"--set {text} is no NAME=VALUE of an effect's control; render has no others to set. "
            "Pass such as --set a.post.1.db=6, and --steps or --seed for the codec's."
        )
    return name, value


def _precision(arguments: argparse.Namespace) -> str:
    return str(parse("precision", arguments.precision or PARAMETERS["precision"].default))


def _required(codec: str) -> tuple[str, str | None]:
    """Slot A may not be off."""
    if codec == "off":
        raise ParameterError("slot A is never off. Pass --a CODEC, and --b off for one codec alone.")
    return split_path(codec)


def _optional(codec: str) -> tuple[str, str | None] | None:
    """Slot B may be off."""
    return None if codec == "off" else split_path(codec)


def _osc_port(arguments: argparse.Namespace) -> int | None:
    """None: no OSC. Unless it is said, OSC is served where the stream runs in real time."""
    given = arguments.osc
    if given is None or given == "off":
        return None if given or arguments.driver == "file" else PORT
    if not (given.isascii() and given.isdecimal() and int(given) <= 65_535):
        raise ParameterError(
            f'--osc "{given}" is not allowed. Pass a port from 1 to 65535, 0 for any free one, or off.'
        )
    return int(given)


def seconds_of(given: str) -> float:
    """What --seconds says; ParameterError if it may not."""
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ParameterError(f'--seconds "{given}" is not allowed. Pass a number greater than 0.')
    return seconds
