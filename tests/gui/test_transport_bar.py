"""The window offscreen: source, position, seek and loop; and the check of the input's level."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from gui.pages.setup import verdict
from gui.transport.transport_controls import clock
from gui.window import Window
from realtime.client import Event, Transport
from tests.support.gui_rig import FakeClient, play, press

LEFT = Qt.MouseButton.LeftButton


def answer(window: Window, client: FakeClient, position: float, length: float = 180.0, *, loop: bool = True) -> None:
    client.transport = Transport("/music/song.flac", position, length, loop)
    client.values |= {"source": "/music/song.flac", "source.loop": loop}
    client.events.append(Event("facts", ("transport",)))
    window.tick()


@pytest.fixture
def playing(window: Window, client: FakeClient) -> Window:
    play(window, client, 1.0)
    answer(window, client, 60.0)
    return window


def click(widget: QWidget, part: float) -> None:
    QTest.mouseClick(widget, LEFT, pos=QPoint(round(part * widget.width()), widget.height() // 2))


def test_the_input_has_no_position(window: Window, client: FakeClient) -> None:
    play(window, client, 0.4)
    controls = window.view.header.transport
    assert controls.name.text() == "input"
    assert not any(part.isVisible() for part in (controls.place, controls.time, controls.loop, controls.back))


def test_a_file_shows_name_position_and_length_and_moves_between_answers(playing: Window, client: FakeClient) -> None:
    controls = playing.view.header.transport
    assert (controls.name.text(), controls.time.text()) == ("song.flac", "1:00 / 3:00")
    assert client.rings
    client.rings.now += 5 * client.rate
    playing.tick()
    assert controls.time.text() == "1:05 / 3:00"


def test_a_loop_begins_again_and_a_file_without_loop_stays_at_its_end(playing: Window, client: FakeClient) -> None:
    controls = playing.view.header.transport
    assert client.rings
    for loop, text in ((True, "0:10 / 3:00"), (False, "3:00 / 3:00")):
        answer(playing, client, 170.0, loop=loop)
        client.rings.now += 20 * client.rate
        playing.tick()
        assert controls.time.text() == text
        assert controls.loop.isChecked() == loop


def test_a_click_into_the_slider_goes_there(playing: Window, client: FakeClient) -> None:
    controls = playing.view.header.transport
    click(controls.place, 0.5)
    address, (seconds,) = client.sent[-1]
    assert address == "/verdigris/seek"
    assert float(str(seconds)) == pytest.approx(90.0, abs=8.0)
    answer(playing, client, 61.0)  # from before the seek
    assert controls.time.text() == f"{clock(float(str(seconds)))} / 3:00"


def test_loop_and_input_are_buttons(playing: Window, client: FakeClient) -> None:
    controls = playing.view.header.transport
    QTest.mouseClick(controls.loop, LEFT)
    assert client.values["source.loop"] is False
    QTest.mouseClick(controls.back, LEFT)
    assert client.values["source"] == "input"


def test_a_file_is_opened_by_a_key(playing: Window, client: FakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gui.transport_control.QFileDialog.getOpenFileName", lambda *_: ("/music/other.ogg", ""))
    press(playing, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    assert client.values["source"] == "/music/other.ogg"


def test_the_level_of_the_input_is_checked_on_the_setup_page(playing: Window, client: FakeClient) -> None:
    playing.overlays.open_page("Setup")
    assert client.rings
    client.rings.now += 4800
    playing.tick()
    assert playing.view.setup.level_text.text() == "Good: -6 dBFS at the loudest."
    for peak, word in ((None, "Start"), (-90.0, "No signal"), (-50.0, "Low"), (-1.0, "Too hot")):
        assert verdict(peak)[0].startswith(word)


def test_channels_restart_the_stream_and_are_flags_of_the_next_start(playing: Window, client: FakeClient) -> None:
    setup = playing.view.setup
    setup.restore({"driver": "sound card", "input_channels": "3, 4", "output_channels": "1,2"})
    playing.user_actions.start_with(setup.wanted())
    assert client.sent[-1] == ("/verdigris/restart", ("driver", "device", "device.input_channels", "3,4"))
    assert playing.user_actions.start_settings.flags()[:4] == ["--driver", "device", "--input-channels", "3,4"]


def test_the_file_of_the_setup_page_is_looped(window: Window, client: FakeClient, tmp_path: Path) -> None:
    window.view.setup.file.setText(str(tmp_path / "song.flac"))
    window.user_actions.start_with(window.view.setup.wanted())
    assert client.started == [("--set", f"source={tmp_path / 'song.flac'}")]
