"""The window offscreen: each test does what a user did when the window failed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QPaintEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from gui import window_state
from gui.app import close_by_signals
from gui.model.settings import Settings
from gui.model.start_settings import SAFE
from gui.widgets import theme
from gui.widgets.parameter_controls import Slider
from gui.widgets.typing_guard import AFTER_MS
from gui.window import Window
from realtime.client import STOPS, ClientState, Event
from realtime.parameters.table import Parameter, When
from tests.support.gui_rig import FakeClient, open_window, play, press


def test_the_side_panel_opens_again_after_the_window_was_closed_with_it_shut(
    window: Window, client: FakeClient, tmp_path: Path
) -> None:
    press(window, Qt.Key.Key_D)
    opened = window.view.side_panel.width()
    press(window, Qt.Key.Key_D)
    assert not window.view.side_panel.isVisible()
    window_state.save(window, Settings(tmp_path))
    with open_window(FakeClient(), tmp_path) as other:
        window_state.restore(other, Settings(tmp_path))
        press(other, Qt.Key.Key_D)
        QApplication.processEvents()
        assert other.view.side_panel.isVisible()
        assert other.view.side_panel.width() == pytest.approx(opened, abs=8)
        assert other.view.scope.width() > 200


def test_the_side_panel_opens_from_a_state_that_kept_it_at_no_width(window: Window, tmp_path: Path) -> None:
    Settings(tmp_path).save({"across": [900, 280, 0], "drawer": ""})
    window_state.restore(window, Settings(tmp_path))
    press(window, Qt.Key.Key_D)
    QApplication.processEvents()
    assert window.view.side_panel.width() > 200


def test_start_plays_the_codecs_latency_and_file_that_played_last(
    window: Window, client: FakeClient, tmp_path: Path
) -> None:
    client.values |= {"a.codec": "swift:6", "b.codec": "opus:32", "latency": 9000, "source": "/song.flac"}
    play(window, client)
    client.state = ClientState.GONE
    window.tick()
    window.user_actions.run_or_stop()
    chosen = ("--latency", "9000", "--a", "swift:6", "--b", "opus:32", "--set", "source=/song.flac")
    assert client.started == [chosen]
    window_state.save(window, Settings(tmp_path))
    other_client = FakeClient()
    with open_window(other_client, tmp_path) as other:
        window_state.restore(other, Settings(tmp_path))
        other.user_actions.start_settings.starting = 0
        other.user_actions.start_alone()
        assert other_client.started == [chosen]


def test_start_with_these_keeps_the_codecs(window: Window, client: FakeClient) -> None:
    client.values |= {"a.codec": "swift:6", "b.codec": "off"}
    play(window, client)
    client.state = ClientState.GONE
    window.tick()
    window.user_actions.start_with({"driver": "clock", "block": "64"})
    assert client.started == [("--driver", "clock", "--block", "64", "--a", "swift:6", "--b", "off")]


def test_a_codec_chosen_without_an_engine_is_the_one_that_starts(window: Window, client: FakeClient) -> None:
    window.user_actions.choose_codec("b", "opus:64")
    window.user_actions.run_or_stop()
    assert client.started == [("--b", "opus:64")]


def test_a_click_into_the_groove_moves_the_handle_there(window: Window, client: FakeClient) -> None:
    play(window, client)
    slider = window.view.slots.pages["a"].controls["a.context_noise"].editor
    assert isinstance(slider, Slider)
    for part in (0.9, 0.1, 0.5):
        QTest.mouseClick(
            slider, Qt.MouseButton.LeftButton, pos=QPoint(round(part * slider.width()), slider.height() // 2)
        )
        assert client.values["a.context_noise"] == pytest.approx(part, abs=0.12)


def test_a_codec_name_typed_without_focus_starts_no_recording(window: Window, client: FakeClient) -> None:
    play(window, client)
    for name in ("encodec24:random", "rave"):
        window.view.setFocus()
        QTest.keyClicks(window, name)
        QTest.qWait(AFTER_MS + 100)
        assert not client.values["record"], name


def test_r_alone_records(window: Window, client: FakeClient) -> None:
    play(window, client)
    press(window, Qt.Key.Key_R)
    QTest.qWait(AFTER_MS + 100)
    assert client.values["record"]


def test_after_attaching_and_after_a_blind_test_the_path_that_is_heard_is_drawn(
    window: Window, client: FakeClient
) -> None:
    client.values["monitor"] = "b"  # of an engine that runs already
    play(window, client)
    assert window.view.scope.shown == "b"
    window.view.abx.start()
    window.tick()
    client.set("monitor", "a")  # as by another client meanwhile
    window.tick()
    window.view.abx.end()
    window.tick()
    assert (client.values["monitor"], window.view.scope.shown) == ("b", "b")
    assert window.view.strip.paths["b"].isChecked()


def test_the_ghost_is_drawn_as_a_less_b(window: Window, client: FakeClient) -> None:
    play(window, client)
    press(window, Qt.Key.Key_G)
    window.tick()
    scope = window.view.scope
    assert scope.output.path == "ghost"
    assert scope.panels["output"].title.text() == "OUTPUT A − B"
    end = scope.history.end
    a, b, ghost = (scope.history.read(path, end - 100, 100) for path in ("a", "b", "ghost"))
    assert (ghost == a - b).all()


def test_a_killed_engine_leaves_no_level_and_no_load(window: Window, client: FakeClient) -> None:
    play(window, client)
    header = window.view.header
    assert header.load.value != "—"
    client.state = ClientState.GONE  # its rings stay attached
    window.tick()
    assert window.view.meters.levels == {}
    readouts = (header.load, header.dropouts, header.ring)
    assert [readout.value for readout in readouts] == ["—", "—", "▯▯▯▯"]
    assert {readout.role for readout in readouts} == {theme.MUTED}


def test_a_second_window_follows_the_engine_that_another_one_starts(
    window: Window, client: FakeClient, tmp_path: Path
) -> None:
    Settings(tmp_path).save({"starting": os.getpid()})  # a process that runs
    window_state.restore(window, Settings(tmp_path))
    window.user_actions.start_alone()
    client.state = ClientState.LOADING
    window.user_actions.start_alone()
    assert client.started == []


def test_after_a_start_that_failed_the_next_one_is_safe(window: Window, client: FakeClient, tmp_path: Path) -> None:
    window.user_actions.start_settings.choose("driver", "device")
    window.user_actions.start_alone()
    window_state.save(window, Settings(tmp_path))
    other_client = FakeClient()
    with open_window(other_client, tmp_path) as other:
        window_state.restore(other, Settings(tmp_path))
        other.user_actions.start_alone()
        assert other_client.started == [SAFE]
        play(other, other_client, 0.4)
        assert other.user_actions.start_settings.values["driver"] == "device"  # for the next attempt
        assert Settings(tmp_path).load()["starting"] == 0


def test_an_engine_that_fails_to_start_is_offered_a_safe_start(window: Window, client: FakeClient) -> None:
    window.user_actions.start_alone()
    client.events.append(Event("fail", ("engine", "no such card")))
    window.tick()
    (button,) = [choice for choice in window.view.messages.choices if choice.text() == "Start safely"]
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert client.started[-1] == SAFE


def test_the_next_start_plays_the_effects_as_they_were_set(window: Window, client: FakeClient, tmp_path: Path) -> None:
    script = tmp_path / "own.py"
    script.touch()
    rows = (
        *(Parameter(f"a.post.{at}.bypass", bool, False, When.FRAME, "bypass") for at in (1, 2)),
        Parameter("a.post.2.db", float, 0.0, When.FRAME, "gain in dB", -60.0, 24.0),
    )
    play(window, client)
    client.table |= {row.name: row for row in rows}
    client.values |= {row.name: row.default for row in rows}
    client.effects = {"a.post.1": f"py:{script}", "a.post.2": "gain"}
    client.events.append(Event("facts", ("effects",)))
    window.tick()
    client.set("a.post.2.db", -6.0)
    client.set("a.post.2.bypass", True)
    window.tick()
    window_state.save(window, Settings(tmp_path))
    other_client = FakeClient()
    with open_window(other_client, tmp_path) as other:
        window_state.restore(other, Settings(tmp_path))
        gain = ("--post-a", "gain", "--set", "a.post.2.bypass=on", "--set", "a.post.2.db=-6.0")
        assert other.user_actions.start_settings.flags()[-8:] == ["--post-a", f"py:{script}", *gain]
        script.unlink()  # without it, gain is the first of its rack
        other.user_actions.run_or_stop()
        assert other_client.started[0][-6:] == tuple(part.replace("post.2.", "post.1.") for part in gain)
        assert "own.py: the file is not there any more" in other.view.messages.text.text()


def test_an_engine_that_runs_already_ends_the_one_that_the_window_was_starting(
    window: Window, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[int] = []
    monkeypatch.setattr("gui.model.actions.ask_to_stop", stopped.append)
    monkeypatch.setattr("gui.model.actions.is_running", lambda pid: True)
    window.user_actions.start_alone()  # the other one has not yet said that it is there
    client.session = SimpleNamespace(pid=4, port=0)  # type: ignore[assignment]
    play(window, client)
    assert stopped == [2**22 + 1]
    window.user_actions.on_window_closed()
    assert (stopped, client.quits) == ([2**22 + 1], 0)


def test_a_window_that_is_closed_ends_its_own_engine_and_no_other_one(
    window: Window, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[int] = []
    monkeypatch.setattr("gui.model.actions.ask_to_stop", stopped.append)
    window.user_actions.start_alone()
    client.session = SimpleNamespace(pid=4, port=0)  # type: ignore[assignment]
    window.user_actions.on_window_closed()
    assert (stopped, client.quits) == ([2**22 + 1], 0)


def test_a_signal_while_a_widget_is_painted_closes_the_window_afterwards(
    window: Window,
) -> None:
    before = {stop: signal.getsignal(stop) for stop in STOPS}
    visible: list[bool] = []

    class Painted(QWidget):
        def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
            signal.raise_signal(signal.SIGTERM)
            visible.append(window.isVisible())

    close_by_signals(window)
    try:
        painted = Painted()
        painted.grab()
        QTest.qWait(1)
    finally:
        for stop, handler in before.items():
            signal.signal(stop, handler)
    assert visible == [True]
    assert not window.isVisible()
