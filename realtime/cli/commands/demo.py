"""Command `demo`: an automatic tour of the codecs (demo_tour.py), with a window where there is a
display.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from realtime.cli import flags
from realtime.cli.commands.gui import has_display
from realtime.system.platform.child_process import background


def add_parser(commands: Any) -> None:
    """Add the command's parser to the subparsers of `verdigris`."""
    demo = commands.add_parser("demo", help="play an automatic tour: dry, networks, Opus, and their bitrates")
    demo.add_argument("--input", type=Path, metavar="FILE", help="audio file to play (default: the demo clip)")
    demo.add_argument("--seconds", metavar="N", help="seconds at each stop (default 8)")
    demo.add_argument("--once", action="store_true", help="end after one round (default: go on until stopped)")
    demo.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from realtime.cli import demo_tour
    from realtime.demo import CLIP

    seconds = flags.seconds(arguments.seconds) if arguments.seconds else demo_tour.SECONDS
    rounds = int(arguments.once)
    if failed := demo_tour.run(arguments.input or CLIP, rounds=rounds, seconds=seconds, on_session=_open_window):
        raise OSError(failed)


def _open_window() -> None:
    """Open a window in another process; it finds the session by itself."""
    if has_display():
        subprocess.Popen([sys.executable, "-m", "realtime.cli.main", "gui"], **background())
