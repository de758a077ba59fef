"""docs/osc.md agrees with the tables."""

from __future__ import annotations

from realtime.osc.clients import GROUPS
from realtime.osc.commands import COMMANDS
from realtime.osc.docs_page import STREAMS, document
from realtime.parameters.table import PARAMETERS
from tests.conftest import ROOT


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "osc.md").read_text(encoding="utf-8")
    assert page == document(), "run: verdigris osc > docs/osc.md"


def test_every_parameter_and_command_and_stream_is_in_it() -> None:
    page = document()
    for row in PARAMETERS.values():
        assert f"`{row.address}`" in page or row.name.startswith("b.")
    for command in COMMANDS.values():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{command.address}` |")]
        assert line.endswith(f"| {command.response} |")
    assert STREAMS.keys() == GROUPS.keys()
