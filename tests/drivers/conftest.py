"""Fixtures of the device rigs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.devices.jackrig import need_jack


@pytest.fixture
def jack() -> None:
    """Skip the test where JACK is not installed."""
    need_jack()


@pytest.fixture
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the user's settings from being read or changed."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
