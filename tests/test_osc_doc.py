"""docs/osc.md is what the tables say."""

from __future__ import annotations

from realtime.osc.clients import GROUPS
from realtime.osc.commands import COMMANDS
from realtime.osc.doc import STREAMS, document
from realtime.params import PARAMETERS
from tests.conftest import ROOT


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "osc.md").read_text(encoding="utf-8")
    assert page == document(), "run: verdigris osc > docs/osc.md"


def test_every_parameter_and_command_and_stream_is_in_it() -> None:
    page = document()
    for row in PARAMETERS.values():
        assert f"`{row.address}`" in page or row.name.startswith("b.")
    assert all(f"`{address}`" in page for address in COMMANDS)
    assert STREAMS.keys() == GROUPS.keys()
