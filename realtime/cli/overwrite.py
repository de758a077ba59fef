"""Question before a file is overwritten."""

from __future__ import annotations

import sys
from pathlib import Path

from realtime.system.atomic_file import FileError, same_file


def confirm_overwrite(source: Path, *targets: Path) -> None:
    """Ask on a terminal before an existing target is overwritten; FileError for no, and without a terminal.

    Targets that are the source, or cannot be written, are left to the checks that follow.
    """
    for target in targets:
        try:
            there = target.is_file() and not same_file(source, target)
        except (OSError, ValueError):
            continue
        if there and not _confirmed(target):
            raise FileError(f"{target}: exists. Pass --force to overwrite it, or another name.")


def _confirmed(target: Path) -> bool:
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        return False
    print(f"{target} exists. Overwrite it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
