"""Command `gui`: open the window. Alone, `verdigris` runs it where there is a display."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from realtime.system.platform.machine import ALWAYS_HAS_DISPLAY
from realtime.system.signals import signals_deferred


def add_parser(commands: Any) -> None:
    """Add the command's parser to the subparsers of `verdigris`."""
    gui = commands.add_parser("gui", help="open the window; the default where there is a display")
    gui.add_argument(
        "--screenshot", type=Path, metavar="FILE", help="save a picture of the window as PNG, and close it"
    )
    gui.add_argument(
        "--pages", action="store_true", help="with --screenshot: save the list of codecs and three pages beside it"
    )
    gui.add_argument("--demo", action="store_true", help="play the demo clip with an engine of its own")
    gui.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    OSError if there is no display or the window's libraries cannot be loaded.
    """
    if not (arguments.screenshot or has_display() or "QT_QPA_PLATFORM" in os.environ):
        raise OSError(
            "no display here (DISPLAY and WAYLAND_DISPLAY are empty). Use verdigris live, or start a desktop."
        )
    if arguments.screenshot:
        from realtime.system.atomic_file import check_writable

        check_writable(arguments.screenshot)
    try:
        with signals_deferred():  # Qt aborts the process otherwise
            from gui import app
    except ImportError as error:
        raise OSError(f"the window's libraries cannot be loaded ({error}). Run python3 dev.py setup.") from error
    app.run(arguments.screenshot, demo=arguments.demo, pages=arguments.pages)


def has_display() -> bool:
    """Return True if a window can be opened here, by Qt's own choice or by QT_QPA_PLATFORM."""
    if platform := os.environ.get("QT_QPA_PLATFORM"):
        return platform.partition(":")[0] not in ("offscreen", "minimal")
    return ALWAYS_HAS_DISPLAY or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
