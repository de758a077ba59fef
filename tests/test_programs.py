"""Commands that run beside a client: what they say is read as it was meant."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from realtime.client.programs import Programs


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for the command is a shell script")
@pytest.mark.parametrize(("code", "found"), [(0, [1, 2]), (1, "no PortAudio here")])
def test_a_library_that_complains_breaks_no_list(
    code: int, found: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "verdigris"
    lines = ["#!/bin/sh", "echo ALSA: no such card >&2", "echo [1, 2]", "echo verdigris: no PortAudio here >&2"]
    command.write_text("\n".join([*lines, f"exit {code}"]))
    command.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(command))
    running = Programs()
    running.start("devices", "--json")
    running._running[0].process.wait()
    assert running.ended() == [(("devices", "--json"), code == 0, found)]
