"""Fixtures of the window's tests: a screen of its own, and a client that watches the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.display.window_rig import Screen, Watcher, screen_at


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with screen_at(tmp_path) as made:
        yield made


@pytest.fixture
def watcher(screen: Screen) -> Iterator[Watcher]:
    made = Watcher(screen)
    yield made
    made.client.close()
