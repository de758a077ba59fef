"""Fixtures of the OSC tests: streams with a server and a client, stepped by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from models.registry import FAMILIES
from tests.support.osc_rig import Marker, Rig
from tests.support.small_codec import family

HOP = 1000


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig("pcm:hop=960", "pcm")
    yield made
    made.close()


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setitem(FAMILIES, "marker", family("marker", lambda: Marker(hop=HOP, name="marker")))
    made = Rig("marker", "pcm", latency=6000)
    yield made
    made.close()
