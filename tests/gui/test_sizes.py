"""The window at the sizes of common screens: everything fits, and nothing makes it grow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from gui import window_state
from gui.app import application
from gui.model.settings import Settings
from gui.widgets.typing_guard import AFTER_MS
from gui.window import COMPACT_SIZE, FRAME, Window
from realtime.client import Event, Transport
from realtime.worker import codec_catalogue
from tests.support.display.text_fits import clipped
from tests.support.gui_rig import FakeClient, open_window, opus, play, press

LARGE = QSize(2552, 1404)  # room on a large screen
SCREENS = ((1024, 600), (1280, 720), (1366, 768), (1920, 1080), (2560, 1440))
PAGES = ("", "Bends", "Effects", "Morph", "Mix", "Play", "ABX", "Setup", "Map")
# In device-independent pixels, the screens at scale 1, and the smallest ones at scale 1.5 and 2.
LOGICAL = (*SCREENS, (853, 480), (960, 540), (683, 384), (512, 300))


@pytest.fixture(params=LOGICAL, ids=lambda size: f"{size[0]}x{size[1]}")
def at_size(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Window, FakeClient]]:
    """Open a window that plays, on a screen of this size in device-independent pixels."""
    client = FakeClient()
    with open_window(client, tmp_path) as window:
        fit(window, QSize(*request.param))
        client.events.append(Event("answer", ("codecs", codec_catalogue.rows())))
        play(window, client, 0.4)
        yield window, client
    application((1440, 900))


@pytest.fixture(autouse=True)
def large_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be more room than Qt's offscreen screen of 800 × 800 has."""
    monkeypatch.setattr(Window, "room", lambda window: LARGE)


def fit(window: Window, screen: QSize) -> None:
    """Size fonts and window as on a screen of this size."""
    application((screen.width(), screen.height()))
    window.apply_font_sizes()
    room = screen - FRAME
    if room.width() < window.minimumWidth() or room.height() < window.minimumHeight():
        window.toggle_compact()
    window.setMinimumSize(window.arrangement.minimum().boundedTo(room))
    window.resize(room)
    settle()


def settle() -> None:
    for _ in range(3):
        QApplication.processEvents()


def test_every_text_fits_on_every_page_at_every_size(at_size: tuple[Window, FakeClient]) -> None:
    """With dropouts, a stand-in, a file and a long name of the device: the least room for the rest."""
    window, client = at_size
    client.misses = {"late": 1234, "stalled": 10, "died": 0, "xrun": 5}
    client.transport = Transport("/sounds/a file with a long name.wav", 3599.0, 3600.0)
    client.device = {"driver": "device", "name": "A sound card with a long name", "sample_rate": 48_000, "block": 256}
    client.events.append(Event("facts", ("device",)))
    client.values["match"] = "follow"
    client.values |= {"a.match": -12.5, "b.match": -10.5, "record": True, "mute": True}
    client.heard = "dry for a"
    window.engine_view.show_values()
    size = window.size()
    for page in PAGES if not window.arrangement.compact else ("",):
        if page:
            window.overlays.open_page(page)
        settle()
        window.tick()
        assert clipped(window) == [], page
        assert window.view.minimumSizeHint().width() <= size.width(), page
        assert window.view.minimumSizeHint().height() <= size.height(), page
    assert window.size() == size


def test_the_window_does_not_grow_by_itself(window: Window, client: FakeClient) -> None:
    play(window, client, 0.4)
    window.resize(window.minimumSize())
    settle()
    size = window.size()
    client.values |= {"match": "follow", "a.match": -23.4, "b.match": -23.4, "source": "/a" * 80}
    client.device = {"driver": "device", "name": "A sound card with a name that is longer than any " * 3}
    client.heard = "silence for a"
    client.misses = {"late": 123_456, "stalled": 0, "died": 0, "xrun": 0}
    client.events += [Event("facts", ("device",)), Event("fail", ("a.codec", "a reason " * 40))]
    window.engine_view.show_values()
    window.tick()
    settle()
    assert window.size() == size


def test_a_text_fits_from_the_tick_on_that_brings_it(window: Window, client: FakeClient) -> None:
    client.play(a=opus(), b=opus())
    client.device["name"] = "clock, no sound card"
    client.misses = {"late": 1, "stalled": 0, "died": 0, "xrun": 0}
    window.tick()  # the first one with a device and with packets in place of tokens
    assert clipped(window) == []
    assert window.view.scope.panels["tokens"].title.text() == "PACKETS A"


def test_a_name_that_is_cut_ends_in_an_ellipsis_and_is_whole_in_the_tooltip(window: Window, client: FakeClient) -> None:
    play(window, client, 0.4)
    device = window.view.header.device
    settle()
    assert device.text() == device.name == "clock, no sound card · 48 kHz · 256"
    assert device.name not in device.toolTip()
    client.device = {"driver": "device", "name": "A sound card with a name that is longer than any " * 3}
    client.events.append(Event("facts", ("device",)))
    window.tick()
    settle()
    assert device.text().startswith("A sound card")
    assert device.text().endswith("…")
    assert device.fontMetrics().horizontalAdvance(device.text()) <= device.text_room()
    assert device.toolTip().startswith(device.name)


def test_one_key_shows_the_compact_window_and_the_whole_one_again(window: Window, client: FakeClient) -> None:
    play(window, client, 0.4)
    before = window.size()
    press(window, Qt.Key.Key_C)
    QTest.qWait(AFTER_MS + 100)
    settle()
    assert window.size().boundedTo(COMPACT_SIZE) == window.size()
    view = window.view
    hidden = (view.scope, view.side_panel, view.panels["spectrum"], view.panels["slot"], view.header.device)
    assert not any(part.isVisible() for part in hidden)
    assert all(part.isVisible() for part in (view.strip, *view.cards.values(), view.meters, view.header.latency))
    assert clipped(window) == []
    press(window, Qt.Key.Key_C)
    QTest.qWait(AFTER_MS + 100)
    settle()
    assert window.size() == before
    assert view.scope.isVisible()


def test_both_sizes_are_remembered(window: Window, tmp_path: Path) -> None:
    window.resize(1100, 700)
    window.toggle_compact()
    window.resize(620, 380)
    settle()
    window_state.save(window, Settings(tmp_path))
    with open_window(FakeClient(), tmp_path) as other:
        window_state.restore(other, Settings(tmp_path))
        settle()
        assert other.arrangement.compact
        assert other.size() == QSize(620, 380)
        other.toggle_compact()
        settle()
        assert other.size() == QSize(1100, 700)


def test_a_size_that_was_saved_on_a_larger_screen_fits_this_one(
    window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.resize(2400, 1300)
    window_state.save(window, Settings(tmp_path))
    room = QSize(1358, 732)
    monkeypatch.setattr(Window, "room", lambda window: room)
    with open_window(FakeClient(), tmp_path) as other:
        other.fit(QSize(1440, 900))
        window_state.restore(other, Settings(tmp_path))
        settle()
        assert other.size() == room


def test_a_small_screen_gets_the_compact_window(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Window, "room", lambda window: QSize(650, 380))
    window.fit(QSize(1440, 900))
    settle()
    assert window.arrangement.compact
    assert window.size() == QSize(640, 380)
