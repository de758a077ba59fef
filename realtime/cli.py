"""The command line: `verdigris` and what comes after it. What a command does is in commands.py.

Exit codes: 0 done, 1 it could not be done (one line says why), 2 wrong usage. This module imports nothing that takes
long, so that from the first moment on Ctrl-C is one line too.
"""

from __future__ import annotations

import argparse
import gc
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from models.codec import MODES
from realtime import signals
from realtime.numba_cache import numba_cache
from realtime.params import PARAMETERS
from realtime.rack import flags
from realtime.usage import Parser, one_line

DEMO = ("live", "--driver", "clock", "--seconds", "15", "--record", "out", "--report", "out/report.json")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code. Takes over the process's signals."""
    signals.raise_on_stop()
    _open_streams()
    with numba_cache():
        return _answered(list(sys.argv[1:] if argv is None else argv))


def _answered(argv: list[str]) -> int:
    try:
        _run(argv)
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        message = "stopped"
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains as it flushes at the end
        return 1
    except OSError as error:  # nothing that was foreseen, and yet the machine's word, not a fault of ours
        message = str(error)
    except Exception as error:
        from realtime.commands import USER_ERRORS

        if not isinstance(error, USER_ERRORS):
            raise
        message = str(error)
    print(f"verdigris: {one_line(message)}", file=sys.stderr)
    return 1


def _run(argv: list[str]) -> None:
    if not argv and has_display():
        argv = ["gui"]
    arguments, rest = build_parser().parse_known_args(argv or DEMO)
    if arguments.command == "bench":
        from benchmarks import run

        run.main(rest)
        return
    if arguments.command == "gui":
        if rest:
            build_parser().error(f"unknown: {' '.join(rest)}")
        _open_window(arguments)
        return
    if arguments.command == "demo":
        if rest:
            build_parser().error(f"unknown: {' '.join(rest)}")
        _take_tour(arguments)
        return
    if arguments.command == "train":
        from models.training import train

        train.main(rest, Parser)
        return
    if arguments.command == "evaluate":
        from models.training import evaluate

        evaluate.main(rest, Path(__file__).parent / "demo", Parser)
        return
    if rest:
        build_parser().error(f"unknown: {' '.join(rest)}")
    if arguments.command == "live" and arguments.driver not in ("file", "plugin"):
        from realtime.worker_process import WorkerProcess

        started = WorkerProcess()  # it imports what it needs while we do
        commands = _commands()
        (commands.run_live if argv else commands.run_first)(arguments, started)
    else:
        getattr(_commands(), f"run_{arguments.command}")(arguments)


def _commands() -> ModuleType:
    gc.disable()  # imports leave no garbage: looking for it takes a quarter of their time
    from realtime import commands

    gc.enable()
    return commands


def _take_tour(arguments: argparse.Namespace) -> None:
    from gui import tour
    from realtime.commands import seconds_of
    from realtime.demo import CLIP

    def open_window() -> None:
        """Of its own, where there is a display: it finds the session by itself."""
        if has_display():
            subprocess.Popen([sys.executable, "-m", "realtime.cli", "gui"], start_new_session=True)

    seconds = seconds_of(arguments.seconds) if arguments.seconds else tour.SECONDS
    if failed := tour.run(arguments.input or CLIP, rounds=int(arguments.once), seconds=seconds, there=open_window):
        raise OSError(failed)


def _open_window(arguments: argparse.Namespace) -> None:
    if not (arguments.screenshot or has_display() or "QT_QPA_PLATFORM" in os.environ):
        raise OSError(
            "no display here (DISPLAY and WAYLAND_DISPLAY are empty). Use verdigris live, or start a desktop."
        )
    if arguments.screenshot:
        from realtime.wholefile import check_writable

        check_writable(arguments.screenshot)
    try:
        from gui import app
    except ImportError as error:
        raise OSError(f"the window's libraries cannot be loaded ({error}). Run python3 dev.py setup.") from error
    app.run(arguments.screenshot, demo=arguments.demo)


def has_display() -> bool:
    """Whether a window can be opened here; Qt can be told otherwise by QT_QPA_PLATFORM."""
    if platform := os.environ.get("QT_QPA_PLATFORM"):
        return platform.partition(":")[0] not in ("offscreen", "minimal")
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def _named(text: str) -> Path:
    """A path that is not empty: that would be this directory."""
    if not text:
        raise argparse.ArgumentTypeError("no name. Pass one, or . for this directory")
    return Path(text)


class Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"verdigris {version('verdigris')}")
        parser.exit()


def build_parser() -> Parser:
    """The parser; flags that are parameters come from the table."""
    parser = Parser(prog="verdigris", description="A neural audio codec in your signal path, live.")
    parser.add_argument("--version", action=Version, nargs=0, help="say which this is")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)

    live = commands.add_parser("live", help="play, live")
    _add_slots(live)
    live.add_argument(
        "--driver",
        choices=("device", "clock", "file", "plugin"),
        help="device: a sound card; clock: in real time without one; file: as fast as it goes; plugin: the inserts in "
        "your DAW (verdigris plugin) "
        "(default device if there is one and no --input, else clock)",
    )
    _add_card(live)
    flags.add(live, "--post-a", "--post-b")
    live.add_argument(
        "--input",
        type=Path,
        metavar="FILE",
        help="what to play, once, or pyo:FILE, a patch (default: the demo clip, over and over)",
    )
    _add_flags(live, "monitor", "latency", "rate", "precision")
    live.add_argument(
        "--block",
        metavar="N",
        help=f"samples handed over at once, or random (1 to 1024, for tests) {_default('block')}",
    )
    live.add_argument("--seconds", metavar="N", help="stop after so many seconds")
    live.add_argument("--record", type=_named, metavar="DIR", help="write input, a, b and monitor as WAV there")
    live.add_argument("--report", type=Path, metavar="FILE", help="write a JSON report at the end")
    live.add_argument("--adapt", action="store_const", const="on", help=PARAMETERS["adapt"].help)
    live.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="set any parameter")
    live.add_argument(
        "--osc",
        metavar="PORT|off",
        help="serve OSC there, and the window by it (default 9130; 0: any free port; with driver file off)",
    )

    render = commands.add_parser("render", help="put a file through a codec")
    render.add_argument("input", type=Path, help="an audio file; demo, the bundled clip; or pyo:FILE, a patch")
    render.add_argument("output", type=Path, help="a float32 WAV, as long as the input")
    render.add_argument(
        "--codec", default="nano:discrete", metavar="CODEC", help="as in live, or vorbis:N (default %(default)s)"
    )
    render.add_argument("--path", choices=("continuous", "discrete"), help="of a network (default continuous)")
    render.add_argument("--mode", choices=MODES, default=MODES[0], help="parallel: all frames of the file together")
    _add_flags(render, "precision")
    flags.add(render, "--post")
    render.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="an effect's control, as in live"
    )
    render.add_argument("--seconds", metavar="N", help="of a patch, which has no end")
    render.add_argument("--tokens", type=Path, metavar="FILE", help="write the frames to a tape as well")
    for name in ("steps", "seed"):
        row = PARAMETERS[f"a.{name}"]
        help_ = f"of a network's decoding: {row.allowed} {_default(row.name)}"
        render.add_argument(f"--{name}", metavar="N", default=row.default, help=help_)
    render.add_argument("--json", action="store_true", help="say what was done as JSON")

    play = commands.add_parser("play", help="decode a tape")
    play.add_argument("tape", type=Path)
    play.add_argument("output", type=Path, help="a float32 WAV")
    play.add_argument(
        "--codec",
        metavar="CODEC",
        help="the one it was recorded with, if that is a checkpoint (default: as the tape says)",
    )
    _add_flags(play, "precision")

    convert = commands.add_parser("convert", help="make a checkpoint of ours from a released one")
    convert.add_argument("source", type=Path, metavar="codicodec.pt")
    convert.add_argument("target", type=Path, metavar="OUT.safetensors")

    pack = commands.add_parser("pack", help="make a tape of tokens smaller, without loss")
    pack.add_argument("tape", type=Path)
    pack.add_argument("target", type=Path, metavar="OUT")
    unpack = commands.add_parser("unpack", help="make the tape again, on any machine")
    unpack.add_argument("packed", type=Path)
    unpack.add_argument("target", type=Path, metavar="TAPE")

    plan = commands.add_parser("plan", help="say the latency, and what it is made of")
    _add_slots(plan)
    flags.add(plan, "--post-a", "--post-b")
    _add_flags(plan, "rate", "block", "latency", "precision")
    plan.add_argument("--json", action="store_true")

    plugin = commands.add_parser("plugin", help="the insert for DAWs: LV2 and CLAP")
    plugin.add_argument("action", choices=("install", "doctor"), help="make hosts find it; say what is there")
    plugin.add_argument("--json", action="store_true", help="with doctor")

    demo = commands.add_parser("demo", help="a tour that needs no hands: dry, networks, Opus, and what is on the wire")
    demo.add_argument("--input", type=Path, metavar="FILE", help="what to play (default: the demo clip)")
    demo.add_argument("--seconds", metavar="N", help="at each stop (default 8)")
    demo.add_argument("--once", action="store_true", help="once round, not until it is stopped")
    gui = commands.add_parser("gui", help="open the window; what verdigris alone does where there is a display")
    gui.add_argument("--screenshot", type=Path, metavar="FILE", help="save a picture of it as PNG, and close it")
    gui.add_argument("--demo", action="store_true", help="show the demo clip, by an engine of its own")

    doctor = commands.add_parser("doctor", help="look at this machine; what a bug report needs")
    doctor.add_argument("--json", action="store_true")
    doctor.add_argument(
        "--loopback", action="store_true", help="measure a card's round trip, with a cable from out to in"
    )
    _add_card(doctor)
    _add_flags(doctor, "rate", "block")

    for name, help_ in (("codecs", "list the codecs"), ("devices", "list the sound cards")):
        commands.add_parser(name, help=help_).add_argument("--json", action="store_true")
    effects = commands.add_parser("effects", help="list the effects that can be in the rack")
    effects.add_argument("effect", nargs="?", metavar="KIND:WHERE", help="list the controls of this one")
    effects.add_argument("--json", action="store_true")
    commands.add_parser("osc", help="print docs/osc.md, which is made from the table")
    commands.add_parser("train", help="train a network", add_help=False)
    commands.add_parser("evaluate", help="judge a codec beside others", add_help=False)
    commands.add_parser("bench", help="measure", add_help=False)
    return parser


def _add_slots(parser: argparse.ArgumentParser) -> None:
    for slot in "ab":
        row = PARAMETERS[f"{slot}.codec"]
        off = ", or off" if slot == "b" else ""
        parser.add_argument(f"--{slot}", metavar="CODEC[:PATH]", help=f"{row.help}{off} {_default(row.name)}")


def _add_card(parser: argparse.ArgumentParser) -> None:
    for kind in ("input", "output"):
        parser.add_argument(f"--{kind}-device", metavar="NAME", help="as verdigris devices lists it, or default")
        parser.add_argument(f"--{kind}-channels", metavar="L,R", help="channels of the card, from 1 (default 1,2)")


def _add_flags(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        row = PARAMETERS[name]
        default = _default(name) if name != "rate" or "plan" in parser.prog else "(default the file's)"
        parser.add_argument(
            f"--{name}",
            metavar="N" if row.low is not None else name.upper(),
            help=f"{row.help}: {row.allowed} {default}",
        )


def _default(name: str) -> str:
    return f"(default {PARAMETERS[name].default})"


def _open_streams() -> None:
    """Have somewhere to write, whatever we were started with: streams that are closed, or cannot encode a file name."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for as long as the program runs
        elif isinstance(stream, io.TextIOWrapper) and mode == "w":
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
