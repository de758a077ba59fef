"""Command line `verdigris`. Each command is a module of commands/, with its parser and the function
that runs it.

Exit codes: 0 done, 1 failed with one line that says why, 2 wrong usage. Modules that take long to
import are imported by the command that needs them, so that Ctrl-C is one line too from the start.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

from realtime.cli.commands import (
    convert,
    demo,
    desktop,
    doctor,
    fetch_weights,
    gui,
    lists,
    live,
    plan,
    play_on,
    plugin,
    render,
    tapes,
    tokens,
    training,
    trust,
)
from realtime.system import signals
from realtime.system.arg_parser import Parser, escape_control_chars
from realtime.system.log import show_on_console
from realtime.system.numba_cache import numba_cache
from realtime.system.platform.streams import print_any_text

PARSERS = (  # in the order of the help
    live.add_parser,
    render.add_parser,
    tokens.add_parser,
    tapes.add_play_parser,
    play_on.add_parser,
    convert.add_parser,
    tapes.add_pack_parsers,
    plan.add_parser,
    plugin.add_parser,
    demo.add_parser,
    gui.add_parser,
    desktop.add_parsers,
    doctor.add_parser,
    lists.add_parsers,
    fetch_weights.add_parser,
    trust.add_parser,
    training.add_parsers,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. Takes over the process's signals and log.

    Without `argv` this is the program itself, and signals that arrive after the command are ignored.
    """
    code = 1
    try:
        signals.install_interrupt_handler()
        show_on_console()
        _open_streams()
        with numba_cache():
            code = _exit_code(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:  # before or after the command
        pass
    finally:
        if argv is None:
            signals.ignore_stops()
    return code


def _exit_code(argv: list[str]) -> int:
    """Run a command; print errors that the user can do something about as one line."""
    try:
        _run(argv)
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        message = "stopped"
    except BrokenPipeError:  # the reader of our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        return 1
    except Exception as error:  # noqa: BLE001 - bugs are raised again
        message = _message(error)
    with contextlib.suppress(OSError, ValueError):  # a standard error that is full or closed
        print(f"verdigris: {escape_control_chars(message)}", file=sys.stderr)
    return 1


def _message(error: Exception) -> str:
    """Return the line of an error for the user. Raises an error that is a bug."""
    if signals.interrupted():  # an interrupted import or library may raise anything
        return "stopped"
    if isinstance(error, OSError):  # of the machine, such as a full disk
        return str(error)
    from realtime.cli.user_errors import USER_ERRORS

    if not isinstance(error, USER_ERRORS):
        raise error
    return str(error)


def _run(argv: list[str]) -> None:
    parser, is_demo = build_parser(), not argv and not gui.has_display()
    arguments, rest = parser.parse_known_args(live.DEMO if is_demo else argv or ["gui"])
    if rest and "rest" not in arguments:
        parser.error(f"unknown: {' '.join(rest)}")
    arguments.rest, arguments.parser = rest, parser
    (live.run_demo if is_demo else arguments.run)(arguments)


class Version(argparse.Action):
    """Action of --version."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print the version and exit."""
        from importlib.metadata import version

        print(f"verdigris {version('verdigris')}")
        parser.exit()


def build_parser() -> Parser:
    """Return the parser of all commands."""
    parser = Parser(prog="verdigris", description="Play live through audio codecs, neural and classic.")
    parser.add_argument("--version", action=Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    for add in PARSERS:
        add(commands)
    return parser


def _open_streams() -> None:
    """Replace closed standard streams, and let open ones print any file name."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open while the program runs
        elif mode == "w":
            print_any_text(stream)


if __name__ == "__main__":
    sys.exit(main())
