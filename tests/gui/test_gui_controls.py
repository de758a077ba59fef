"""The window offscreen: controls, codecs, pages and what stays after a restart of the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QApplication, QCheckBox, QComboBox
from shiboken6 import delete

from gui import window_state
from gui.app import ScreenshotTaker
from gui.model.settings import Settings
from gui.model.undo import UndoStack
from gui.widgets.check_box import CheckBox
from gui.widgets.parameter_controls import ParameterControls
from gui.window import Window
from realtime.cli import main as cli
from realtime.client import Event
from tests.support.gui_rig import FakeClient, nano, play


def test_the_readout_has_time_frequency_and_value(window: Window, client: FakeClient) -> None:
    play(window, client)
    assert "Hz" in window.view.scope.input.readout(24_000, 0.5)
    assert "dB" in window.view.scope.input.readout(24_000, 0.5)
    assert "digit" in window.view.scope.tokens.readout(24_000, 0.5)
    assert "value" in window.view.scope.latents.readout(24_000, 0.5)


def test_four_snapshots_enable_the_pad(window: Window, client: FakeClient) -> None:
    play(window, client)
    window.overlays.open_page("Morph")
    for name in "1234":
        window.view.morph.store(name)
    assert client.sent[-1] == ("/verdigris/morph/corners", ("1", "2", "3", "4"))
    pad = window.view.morph.pad
    QApplication.processEvents()
    QTest.mouseClick(pad, Qt.MouseButton.LeftButton, pos=QPoint(pad.width() // 2, pad.height() // 2))
    address, place = client.sent[-1]
    assert address == "/verdigris/morph"
    assert np.array(place, float) == pytest.approx(0.5, abs=0.02)


def test_a_preset_restores_all_values(window: Window, client: FakeClient) -> None:
    play(window, client)
    client.set("a.bend.noise", 1.5)
    client.set("a.bend.bias", tuple([0.5] * 64))
    window.user_actions.save_preset("storm")
    client.set("a.bend.noise", 0.0)
    client.set("a.bend.bias", tuple([0.0] * 64))
    window.user_actions.load_preset("storm")
    assert client.values["a.bend.noise"] == 1.5
    assert client.values["a.bend.bias"] == tuple([0.5] * 64)


def test_the_state_of_the_window_is_restored(window: Window, client: FakeClient, tmp_path: Path) -> None:
    window.overlays.open_page("Morph")
    window.view.setup.restore({"block": "128"})
    window_state.save(window, Settings(tmp_path))
    other = Window(FakeClient(), Settings(tmp_path))  # type: ignore[arg-type]
    window_state.restore(other, Settings(tmp_path))
    assert other.view.side_panel.page == "Morph"
    assert other.view.setup.block.currentText() == "128"
    other.close()
    delete(other)


@pytest.mark.parametrize("wrong", [5, 1e40, None, True, "text", [1], {"a": [1]}, ["1e9", 1e40], [2**70, 2**70]])
def test_a_state_with_wrong_types_is_ignored(window: Window, tmp_path: Path, wrong: object) -> None:
    names = (
        "geometry",
        "across",
        "left",
        "right",
        "drawer",
        "setup",
        "start",
        "starting",
        "snapshots",
        "bindings",
        "shown",
    )
    Settings(tmp_path).save(dict.fromkeys(names, wrong))
    window_state.restore(window, Settings(tmp_path))
    assert window.view.scope.shown == "a"


def test_a_fader_is_learned_and_remembered_for_the_next_engine(
    window: Window, client: FakeClient, tmp_path: Path
) -> None:
    play(window, client)
    window.view.slots.wants_to_learn.emit("a.steps")
    assert client.sent[-1] == ("/verdigris/learn", ("a.steps",))
    client.events.append(Event("done", ("learn", "/1/fader1")))
    window.tick()
    window_state.save(window, Settings(tmp_path))
    other_client = FakeClient()
    other = Window(other_client, Settings(tmp_path))  # type: ignore[arg-type]
    window_state.restore(other, Settings(tmp_path))
    other_client.play(a=nano())
    other.tick()
    assert ("/verdigris/bind", ("/1/fader1", "a.steps")) in other_client.sent
    other.close()
    delete(other)


def test_closing_the_window_leaves_a_foreign_engine_running(window: Window, client: FakeClient) -> None:
    play(window, client)
    window.close()
    assert (client.quits, client.closed) == (0, True)


def test_closing_the_window_ends_the_engine_that_it_started(window: Window, client: FakeClient) -> None:
    window.user_actions.run_or_stop()
    play(window, client)
    window.close()
    assert client.quits == 1


def test_every_clickable_widget_has_a_name_and_is_reached_by_tab(window: Window) -> None:
    for page in ("Bends", "Effects", "Morph", "Mix", "Play", "ABX", "Setup", "Map"):
        window.overlays.open_page(page)
    for kind in (QAbstractButton, QAbstractSlider, QComboBox):
        for widget in window.findChildren(kind):
            if widget.metaObject().className().startswith(("QComboBox", "QScrollBar")) or "qt_" in widget.objectName():
                continue
            named = widget.accessibleName() or (isinstance(widget, QAbstractButton) and widget.text())
            assert named, widget
            assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, widget


def test_a_drag_is_one_step_of_undo() -> None:
    values = {"x": 0}
    undo = UndoStack(values.__setitem__)
    for i, at in enumerate((0.0, 0.1, 0.2, 5.0)):
        undo.note("x", i, i + 1, at)
        values["x"] = i + 1
    assert undo.undo() == "x"
    assert values["x"] == 3
    undo.undo()
    assert values["x"] == 0
    assert undo.undo() == ""
    undo.redo()
    assert values["x"] == 3


def test_a_state_that_cannot_be_read_counts_as_missing(tmp_path: Path) -> None:
    (tmp_path / "window.json").write_text("not json")
    settings = Settings(tmp_path)
    assert settings.load() == {}
    assert settings.load_preset("none") == {}
    assert settings.save_preset("../../etc/passwd", {"gain": 1.0}) == ""
    assert [path.parent.name for path in tmp_path.rglob("*.json")].count("presets") == 1


def test_without_a_display_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("realtime.cli.commands.gui.ALWAYS_HAS_DISPLAY", False)
    assert cli.main(["gui"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("verdigris: no display here")
    assert error.count("\n") == 1


def test_a_codec_that_needs_more_latency_is_offered_with_a_restart(window: Window, client: FakeClient) -> None:
    play(window, client)
    button = window.view.messages.choices[0]
    assert not button.isVisible()
    command = "/verdigris/restart a.codec 'my net.safetensors' latency 18240"
    client.events.append(Event("fail", ("a.codec", "it needs more latency", 18_240, 379.2, command)))
    window.tick()
    assert button.isVisible()
    assert button.text() == "Restart with 380 ms"
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert client.sent[-1] == ("/verdigris/restart", ("a.codec", "my net.safetensors", "latency", "18240"))
    assert not button.isVisible()


def test_an_offer_goes_after_a_while(window: Window, client: FakeClient) -> None:
    play(window, client)
    client.events.append(Event("fail", ("a.codec", "more", 18_240, 380.0, "/verdigris/restart latency 18240")))
    window.tick()
    client.now += 60
    window.engine_view.show_numbers()
    assert not window.view.messages.choices[0].isVisible()


def test_a_screenshot_of_an_engine_that_has_ended_is_an_error_at_once(
    window: Window, client: FakeClient, tmp_path: Path
) -> None:
    taker = ScreenshotTaker(window, tmp_path / "window.png")
    client.events.append(Event("fail", ("engine", "no room for the timeline")))
    window.tick()
    taker.check()
    assert taker.error == "the engine has ended: no room for the timeline"


def test_a_screenshot_is_not_waited_for_without_end(
    window: Window, client: FakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that plays and stops again and again never fills the plots."""
    monkeypatch.setattr("gui.app.TIMEOUT_S", 0.0)
    taker = ScreenshotTaker(window, tmp_path / "window.png")
    taker.check()
    assert "no engine played within 0 s" in taker.error
    assert not (tmp_path / "window.png").exists()


def test_the_button_of_the_path_says_that_dry_stands_in_for_it(
    window: Window, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("gui.engine_view.time.perf_counter", lambda: now[0])
    play(window, client)
    client.set("monitor", "a")
    client.heard = "dry for a"
    client.events.append(Event("heard", ("dry for a",)))
    window.tick()
    strip = window.view.strip
    assert strip.paths["a"].text() == "2  A: dry"
    assert strip.paths["a"].property("standin")
    assert "now dry for a" in strip.paths["a"].accessibleName()
    assert strip.caption.text() == "DRY FOR A"
    assert strip.paths["b"].text() == "3  B"
    client.heard = "a"  # a short one stays on show for a moment
    client.events.append(Event("heard", ("a",)))
    window.tick()
    assert strip.paths["a"].text() == "2  A: dry"
    now[0] += 1.0
    window.tick()
    assert strip.paths["a"].text() == "2  A"
    assert strip.caption.text() == "MONITOR"


@pytest.mark.parametrize("part", [0.02, 0.5, 0.98])
def test_a_click_anywhere_in_the_cell_of_a_switch_is_an_edit(window: Window, part: float) -> None:
    controls = ParameterControls([("a.bend.freeze.on", "freeze")])
    controls.resize(500, 60)
    controls.show()
    edits: list[tuple[str, object]] = []
    controls.changed.connect(lambda name, value: edits.append((name, value)))
    box = controls.controls["a.bend.freeze.on"].editor
    assert box.width() > 200
    for expected in (True, False):
        QTest.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(round(part * box.width()), box.height() // 2))
        assert edits.pop() == ("a.bend.freeze.on", expected)
    controls.close()


def test_every_check_box_of_the_window_is_of_this_class(window: Window, client: FakeClient) -> None:
    play(window, client)
    window.overlays.open_page("Bends")
    assert all(isinstance(box, CheckBox) for box in window.findChildren(QCheckBox))
