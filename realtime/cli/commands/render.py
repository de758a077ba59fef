"""Command `render`: put a file, or many, through a codec."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.codec import MODES, DecoderControls
from models.load import split_codec_path
from realtime.cli import effect_flags, flags
from realtime.cli.overwrite import confirm_overwrite
from realtime.parameters.table import PARAMETERS, ParameterError

EPILOG = (
    "A file that is cut short or damaged in part is rendered as far as it goes, with silence for what cannot be "
    "decoded: the exit code is 0, and a line on stderr says what is missing. With samples that are not finite "
    "nothing is rendered, and the exit code is 1. Several inputs, or a folder, are rendered to a folder by all cores; "
    "the same command goes on where it was stopped, and renders files that are new or have changed."
)


def add_parser(commands: Any) -> None:
    """Add the command's parser to the subparsers of `verdigris`."""
    render = commands.add_parser("render", help="put a file, or many, through a codec", epilog=EPILOG)
    render.add_argument(
        "input", type=Path, nargs="+", help="audio file; demo: the bundled clip; pyo:FILE: a patch; files or folders"
    )
    render.add_argument(
        "output",
        type=Path,
        help="file to write, by its extension WAV (float32), FLAC, Ogg, Opus, MP3, CAF, W64, AU or AIFF; for several "
        "inputs or a folder: a folder",
    )
    render.add_argument(
        "--codec", default="nano:discrete", metavar="CODEC", help="as in live, or vorbis:N (default %(default)s)"
    )
    render.add_argument(
        "--path", choices=("continuous", "discrete"), help="path of the codec (default: as in --codec, else its first)"
    )
    render.add_argument("--mode", choices=MODES, default=MODES[0], help="parallel: decode all frames together")
    flags.add_parameters(render, "precision")
    effect_flags.add(render, "--post")
    flags.add_trust(render)
    render.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="set a control of an effect, as in live"
    )
    render.add_argument("--seconds", metavar="N", help="length of a patch, which has no end of its own")
    render.add_argument("--tokens", type=Path, metavar="FILE", help="also write the frames to a tape")
    for name in ("steps", "seed"):
        row = PARAMETERS[f"a.{name}"]
        help_ = f"{name} of a network's decoding ({row.allowed}; default {row.default})"
        render.add_argument(f"--{name}", metavar="N", default=row.default, help=help_)
    render.add_argument("--mono", action="store_true", help="write one channel; mono files through mono codecs are")
    render.add_argument(
        "--format", default="wav", metavar="EXT", help="of many files: their extension (default %(default)s)"
    )
    flags.add_jobs(render)
    render.add_argument("--force", action="store_true", help="overwrite files that exist without asking")
    render.add_argument("--json", action="store_true", help="print the result as JSON")
    render.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    flags.give_consent(arguments)
    if len(arguments.input) > 1 or os.path.isdir(arguments.input[0]):
        _run_many(arguments)
    else:
        _run_one(arguments, arguments.input[0])


def _run_one(arguments: argparse.Namespace, source: Path) -> None:
    from rich.progress import Progress

    from realtime.offline.render_in_blocks import render

    job = _job(arguments, source)
    if not arguments.force:
        confirm_overwrite(job.source, job.target, *([job.tape] if job.tape else []))
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("rendering", total=1.0)
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


def _run_many(arguments: argparse.Namespace) -> None:
    from rich.progress import Progress

    from realtime.files.errors import AudioFileError
    from realtime.offline.render_many import render_many

    for flag, given in (("--tokens", arguments.tokens), ("--seconds", arguments.seconds)):
        if given is not None:
            raise ParameterError(
                f"{flag} is for a single input. Leave it out; `verdigris tokens` writes frames of many."
            )
    job = _job(arguments, arguments.input[0])
    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("rendering", total=1.0)
        done = render_many(
            job,
            arguments.input,
            arguments.output,
            f".{arguments.format.removeprefix('.')}",
            jobs=arguments.jobs,
            force=arguments.force,
            progress=lambda count, total: bar.update(task, completed=count, total=total),
        )
    for facts in done.made.values():
        for remark in facts.get("remarks", ()):
            print(remark, file=sys.stderr)
    for name, why in done.failed.items():
        print(why if name in why else f"{name}: {why}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(vars(done)))
    else:
        print(f"{arguments.output}: {len(done.made)} files rendered ({done.seconds:.1f} s), {done.skipped} were there")
    if done.failed:
        raise AudioFileError(f"{len(done.failed)} files could not be rendered.")


def _job(arguments: argparse.Namespace, source: Path) -> Any:
    from realtime.demo import CLIP
    from realtime.effects.pyo_source import is_patch
    from realtime.offline.job import Job

    steps, seed = (replace(PARAMETERS[f"a.{name}"], name=f"--{name}") for name in ("steps", "seed"))
    controls = DecoderControls(steps=steps.parse(arguments.steps), seed=seed.parse(arguments.seed))
    codec, path = split_codec_path(arguments.codec)
    if is_patch(source) and arguments.seconds is None:
        raise ParameterError(f"{source} has no end. Pass --seconds N.")
    if arguments.seconds is not None and not is_patch(source):
        raise ParameterError("--seconds is for patches, which have no end; a file is rendered whole. Leave it out.")
    return Job(
        source=CLIP if str(source) == "demo" and not source.exists() else source,
        target=arguments.output,
        codec=codec,
        path=arguments.path or path,
        mode=arguments.mode,
        controls=controls,
        precision=flags.precision(arguments),
        tape=arguments.tokens,
        racks=effect_flags.racks(arguments, offline=True),
        values=dict(_control(text) for text in arguments.set),
        mono=arguments.mono,
        seconds=None if arguments.seconds is None else flags.seconds(arguments.seconds),
    )


def _control(text: str) -> tuple[str, str]:
    """Return name and value of --set, which must name a control of an effect."""
    from realtime.parameters.effect_rows import is_control

    name, equals, value = text.partition("=")
    if not (equals and is_control(name)):
        raise ParameterError(
            f"--set {text} is not NAME=VALUE of an effect's control, and render can set no others. "
            "Pass such as --set a.post.1.db=6; steps and seed have flags of their own, --steps and --seed."
        )
    return name, value
