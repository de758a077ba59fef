"""Stand-in for the command line that a session or a window starts as a process."""

from __future__ import annotations

from pathlib import Path

import pytest


def stand_in_for_the_command_line(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """Let `python -m realtime.cli.main` run this program: Python looks in the current directory first."""
    package = folder / "stand-in" / "realtime"
    (package / "cli").mkdir(parents=True)
    for place in (package, package / "cli"):
        (place / "__init__.py").touch()
    (package / "cli" / "main.py").write_text(program, encoding="utf-8")
    monkeypatch.chdir(package.parent)
