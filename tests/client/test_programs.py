"""Commands that run beside a client: parsing of their output."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from realtime.system.cli_subprocess import CliProcesses
from tests.support.desk import stand_in_for_the_command_line


@pytest.mark.parametrize(("code", "found"), [(0, [1, 2]), (1, "no PortAudio here")])
def test_warnings_of_a_library_do_not_break_the_json(
    code: int, found: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
        import sys
        print("ALSA: no such card", file=sys.stderr)
        print([1, 2])
        print("verdigris: no PortAudio here", file=sys.stderr)
    """
    stand_in_for_the_command_line(monkeypatch, tmp_path, textwrap.dedent(program) + f"sys.exit({code})")
    running = CliProcesses()
    running.start("devices", "--json")
    while not (ended := running.ended()):
        pass
    assert ended == [(("devices", "--json"), code == 0, found)]
