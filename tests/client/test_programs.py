"""Commands that run beside a client: parsing of their output."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from realtime.system.cli_subprocess import CliProcesses


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for the command is a shell script")
@pytest.mark.parametrize(("code", "found"), [(0, [1, 2]), (1, "no PortAudio here")])
def test_warnings_of_a_library_do_not_break_the_json(
    code: int, found: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "verdigris"
    lines = ["#!/bin/sh", "echo ALSA: no such card >&2", "echo [1, 2]", "echo verdigris: no PortAudio here >&2"]
    command.write_text("\n".join([*lines, f"exit {code}"]))
    command.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(command))
    running = CliProcesses()
    running.start("devices", "--json")
    while not (ended := running.ended()):
        pass
    assert ended == [(("devices", "--json"), code == 0, found)]
