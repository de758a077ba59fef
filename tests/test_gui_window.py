"""The window offscreen, by a client without an engine: what it shows, and what its buttons and keys send."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QApplication, QComboBox, QLabel, QWidget
from shiboken6 import delete

from gui import remember, theme
from gui.app import application
from gui.controls import Control
from gui.stat import Stat
from gui.store import Store
from gui.undo import Undo
from gui.window import Window
from models.codec import CodecSpec
from realtime import cli
from realtime.client import ABSENT, GONE, LOADING, WARMING, CodecFacts, Event
from realtime.params import PARAMETERS, Parameter
from tests.gui_rig import FakeClient, nano, pixels, play, press


@pytest.mark.parametrize(
    ("key", "path"), [(Qt.Key.Key_1, "dry"), (Qt.Key.Key_2, "a"), (Qt.Key.Key_3, "b"), (Qt.Key.Key_4, "delta")]
)
def test_a_digit_chooses_what_is_heard(window: Window, client: FakeClient, key: Qt.Key, path: str):
    play(window, client)
    client.set("monitor", "b" if path == "a" else "a")
    press(window, key)
    window.tick()
    assert client.values["monitor"] == path
    assert window.strip.paths[path].isChecked()


def test_space_swaps_a_and_b_even_after_a_click(window: Window, client: FakeClient):
    play(window, client)
    QTest.mouseClick(window.strip.paths["dry"], Qt.MouseButton.LeftButton)
    assert client.values["monitor"] == "dry"
    press(window, Qt.Key.Key_Space)
    assert client.values["monitor"] == "a"
    press(window, Qt.Key.Key_Space)
    assert client.values["monitor"] == "b"


def test_what_another_client_sets_is_shown(window: Window, client: FakeClient):
    play(window, client)
    client.set("monitor", "b")
    client.set("a.steps", 5)
    window.tick()
    assert window.strip.paths["b"].isChecked()
    assert window.slots.pages["a"].controls["a.steps"].value.text() == "5"


def test_a_slider_sets_and_can_be_undone_and_reset(window: Window, client: FakeClient):
    play(window, client)
    slider = window.slots.pages["a"].controls["a.steps"].mover
    assert isinstance(slider, QAbstractSlider)
    slider.setValue(6)
    assert client.values["a.steps"] == 6
    press(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert client.values["a.steps"] == 2
    slider.setValue(7)
    QTest.mouseDClick(slider, Qt.MouseButton.LeftButton)
    assert client.values["a.steps"] == PARAMETERS["a.steps"].default


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_every_parameter_has_a_control_that_shows_and_sets_it(name: str):
    application((1440, 900))
    row, sent = PARAMETERS[name], []
    control = Control(row, name)
    control.changed.connect(lambda name, value: sent.append((name, value)))
    other = {bool: True, float: row.high, int: row.high, str: row.choices[-1] if row.choices else "text"}[row.kind]
    value = tuple([other] * row.size) if row.size else row.kind(other)
    control.show_value(value)
    assert sent == []
    control.move(value)
    assert sent == [(name, value)]
    assert control.mover.accessibleName() == row.help
    assert row.address in control.mover.toolTip()


def test_the_pictures_fill_and_the_dry_one_says_that_it_waits(window: Window, client: FakeClient):
    before = pixels(window.scope.input)
    play(window, client)
    window.tick()
    assert (pixels(window.scope.input) != before).any()
    assert "delayed 44 ms" in window.scope.panels["input"].note.text()


def test_tokens_are_digits_and_packets_are_bytes(window: Window, client: FakeClient):
    play(window, client)
    window.follower._use_due = 0.0
    window.tick()
    assert "4 digits of 11 levels" in window.scope.panels["tokens"].note.text()
    assert window.follower.note_of_use.startswith("entropy 3.")
    window.scope.show_path("b")
    window.follower._use_due = 0.0
    window.tick()
    assert window.scope.panels["tokens"].title.text() == "PACKETS B"
    assert "no latent" in window.scope.latents.message
    assert window.follower.note_of_use == "60 bytes · 24.0 kbit/s"


def test_the_address_of_what_is_under_the_cursor_is_shown(window: Window, client: FakeClient):
    play(window, client)
    QApplication.sendEvent(window.slots.pages["a"].controls["a.steps"].mover, QEvent(QEvent.Type.Enter))
    window.tick()
    assert window.strip.hint.text() == "/verdigris/a/steps"


def test_latency_opens_its_terms(window: Window, client: FakeClient):
    play(window, client)
    assert window.header.latency.value == "44 ms"
    QTest.mouseClick(window.header.latency, Qt.MouseButton.LeftButton)
    assert window.sheet
    labels = [label.text() for label in window.sheet.findChildren(type(window.strip.hint))]
    assert {"hop", "960", "20.0 ms", "latency", "2088", "43.5 ms"} <= set(labels)
    assert "resampler" not in labels
    window.sheet.close()


def test_health_is_green_and_trouble_is_red(window: Window, client: FakeClient):
    play(window, client)
    stats: list[Stat] = [window.header.load, window.header.ring, window.header.misses]
    assert [stat.role for stat in stats] == [theme.GOOD] * 3
    assert client.rings
    client.rings.ahead = 10
    client.misses = {"late": 2, "stalled": 0, "died": 0, "xrun": 1}
    window.tick()
    assert [stat.role for stat in stats[1:]] == [theme.BAD] * 2
    assert window.header.misses.value == "3"


def test_every_state_is_drawn(window: Window, client: FakeClient):
    seen = {}
    assert "no engine" in window.scope.input.message
    seen[ABSENT] = pixels(window.scope.input)
    client.state = LOADING
    window.tick()
    assert "loading" in window.scope.input.message
    seen[LOADING] = pixels(window.scope.input)
    play(window, client)
    seen["playing"] = pixels(window.scope.input)
    client.state = WARMING
    window.tick()
    assert "warming" in window.header.state.text()
    client.state = GONE
    window.tick()
    assert "reconnecting" in window.header.state.text()
    seen[GONE] = pixels(window.scope.input)
    assert seen[GONE].mean() < 0.8 * seen["playing"].mean()
    pictures = list(seen.values())
    assert all((a != b).any() for i, a in enumerate(pictures) for b in pictures[:i])


def test_a_stream_that_stands_still_is_no_device(window: Window, client: FakeClient):
    play(window, client)
    window.follower._moved = (window.follower._moved[0], 0.0)
    window.tick()
    assert "no device" in window.header.state.text()
    assert client.rings
    client.rings.now += 480
    window.tick()
    window.tick()
    assert window.header.state.text() == ""


def test_freeze_stops_the_pictures(window: Window, client: FakeClient):
    play(window, client)
    press(window, Qt.Key.Key_F)
    before = pixels(window.scope.input)
    assert client.rings
    client.rings.now += 48_000
    window.tick()
    np.testing.assert_array_equal(before, pixels(window.scope.input))


def test_the_large_button_starts_and_stops(window: Window, client: FakeClient):
    QTest.mouseClick(window.header.run, Qt.MouseButton.LeftButton)
    assert client.started == [()]
    play(window, client)
    assert "Stop" in window.header.run.text()
    QTest.mouseClick(window.header.run, Qt.MouseButton.LeftButton)
    assert client.quits == 1


def test_setup_becomes_a_restart_or_the_flags_of_live(window: Window, client: FakeClient):
    play(window, client)
    QTest.mouseClick(window.header.device, Qt.MouseButton.LeftButton)
    assert client.asked == ["devices"]
    client.events.append(Event("answer", ("devices", [{"name": "Scarlett", "inputs": 2, "outputs": 0}])))
    window.tick()
    assert [window.setup.input.itemText(i) for i in range(2)] == ["default", "Scarlett"]
    assert window.setup.output.count() == 1
    window.setup.restore({"driver": "sound card", "input": "Scarlett", "block": "64", "latency": "9000"})
    flags = ["--driver", "device", "--input-device", "Scarlett", "--block", "64", "--latency", "9000"]
    window.wishes.begin(window.setup.wanted())
    pairs = ("driver", "device", "device.input", "Scarlett", "block", "64", "latency", "9000")
    assert client.sent[-1] == ("/verdigris/restart", pairs)
    client.state = GONE
    window.tick()
    window.wishes.run_or_stop()
    assert client.started == [tuple(flags)]


def test_a_file_and_a_loop_are_played_in_place_of_the_input(window: Window, client: FakeClient):
    play(window, client)
    window.wishes.play_file("song.flac")
    window.tick()
    assert client.values["source"] == "song.flac"
    assert window.play.source.text() == "song.flac"
    QTest.mouseClick(window.play.loop, Qt.MouseButton.LeftButton)
    assert client.sent[-1] == ("/verdigris/capture", (8.0,))
    QTest.mouseClick(window.play.back, Qt.MouseButton.LeftButton)
    assert client.values["source"] == "input"


def test_an_engine_that_the_window_started_matches_levels(window: Window, client: FakeClient):
    window.wishes.run_or_stop()
    play(window, client)
    assert client.values["match"] == "follow"


def test_a_file_that_is_dropped_is_played(window: Window, client: FakeClient, tmp_path: Path):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "song.flac"))])
    drop = QDropEvent(
        QPointF(10, 10), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    window.dropEvent(drop)
    assert client.started == [("--input", str(tmp_path / "song.flac"))]


def test_the_ghost_is_two_seeds_of_one_codec(window: Window, client: FakeClient):
    play(window, client)
    client.set("a.codec", "nano:discrete")
    window.mix.ghost_wanted.emit()
    values = client.values
    assert (values["b.codec"], values["b.seed"] - values["a.seed"], values["monitor"]) == ("nano:discrete", 1, "ghost")


def test_whatever_can_change_while_it_plays_is_in_the_window(window: Window):
    shown = {str(widget.property("parameter")) for widget in window.findChildren(QWidget)}
    elsewhere = {"monitor", "mute", "record", "record.directory", "source", "a.codec", "b.codec"}  # buttons, lists
    wanted = {name for name, row in PARAMETERS.items() if row.when != "restart" and not row.local}
    assert wanted - elsewhere <= shown


def test_codebooks_are_offered_where_the_codec_has_them(window: Window, client: FakeClient):
    play(window, client)
    assert [window.slots.pages[slot].controls[f"{slot}.books"].mover.isHidden() for slot in "ab"] == [True, True]
    spec = CodecSpec("swift", 48_000, 2, 320, 0, 8, 1024, (0, 0), ("discrete",), True)
    client.play(a=CodecFacts("discrete", spec), b=nano())
    window.tick()
    assert [window.slots.pages[slot].controls[f"{slot}.books"].mover.isHidden() for slot in "ab"] == [False, True]


def test_effects_are_played_on_a_page_made_of_their_rows(window: Window, client: FakeClient):
    play(window, client)
    window.open_drawer("Effects")
    assert "--pre" in window.effects.findChildren(QLabel)[0].text()
    drive = Parameter("a.post.1.drive", float, 0.5, "frame", "drive, of py:own.py", 0.0, 2.0, clamp=True)
    bypass = Parameter("a.post.1.bypass", bool, False, "frame", "leave out py:own.py")
    client.table |= {row.name: row for row in (bypass, drive)}
    client.values |= {row.name: row.default for row in (bypass, drive)}
    client.effects = {"a.post.1": "py:place/own.py"}
    client.events.append(Event("facts", ("effects",)))
    window.tick()
    assert window.effects.findChildren(QLabel)[0].text() == "AFTER A · 1 · own.py"
    (rack,) = window.effects.racks
    slider = rack.controls["a.post.1.drive"].mover
    assert isinstance(slider, QAbstractSlider)
    slider.setValue(slider.maximum())
    assert client.values["a.post.1.drive"] == 2.0
    client.set("a.post.1.bypass", True)
    window.tick()
    assert rack.controls["a.post.1.bypass"].mover.property("checked") is True
    window.wishes.save_preset("driven")
    press(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert client.values["a.post.1.drive"] == 0.5
    window.wishes.load_preset("driven")
    assert client.values["a.post.1.drive"] == 2.0


def test_the_cursor_reads_time_frequency_and_value(window: Window, client: FakeClient):
    play(window, client)
    assert "Hz" in window.scope.input.readout(24_000, 0.5)
    assert "dB" in window.scope.input.readout(24_000, 0.5)
    assert "digit" in window.scope.tokens.readout(24_000, 0.5)
    assert "value" in window.scope.latents.readout(24_000, 0.5)


def test_four_snapshots_make_the_pad_play(window: Window, client: FakeClient):
    play(window, client)
    window.open_drawer("Morph")
    for name in "1234":
        window.morph.store(name)
    assert client.sent[-1] == ("/verdigris/morph/corners", ("1", "2", "3", "4"))
    pad = window.morph.pad
    QApplication.processEvents()
    QTest.mouseClick(pad, Qt.MouseButton.LeftButton, pos=QPoint(pad.width() // 2, pad.height() // 2))
    address, place = client.sent[-1]
    assert address == "/verdigris/morph"
    assert np.array(place, float) == pytest.approx(0.5, abs=0.02)


def test_a_preset_brings_everything_back(window: Window, client: FakeClient):
    play(window, client)
    client.set("a.bend.noise", 1.5)
    client.set("a.bend.bias", tuple([0.5] * 64))
    window.wishes.save_preset("storm")
    client.set("a.bend.noise", 0.0)
    client.set("a.bend.bias", tuple([0.0] * 64))
    window.wishes.load_preset("storm")
    assert client.values["a.bend.noise"] == 1.5
    assert client.values["a.bend.bias"] == tuple([0.5] * 64)


def test_the_window_remembers_its_state(window: Window, client: FakeClient, tmp_path: Path):
    window.open_drawer("Morph")
    window.setup.restore({"block": "128"})
    window.scope.show_path("b")
    remember.save(window, Store(tmp_path))
    other = Window(FakeClient(), Store(tmp_path))  # type: ignore[arg-type]
    remember.restore(other, Store(tmp_path))
    assert other.drawer.page == "Morph"
    assert other.setup.block.currentText() == "128"
    assert other.scope.shown == "b"
    other.close()
    delete(other)


@pytest.mark.parametrize("wrong", [5, 1e40, None, True, "text", [1], {"a": [1]}, ["1e9", 1e40], [2**70, 2**70]])
def test_a_state_of_other_kinds_is_as_if_it_were_not_there(window: Window, tmp_path: Path, wrong: object):
    names = ("geometry", "across", "left", "right", "drawer", "setup", "flags", "snapshots", "bindings", "shown")
    Store(tmp_path).save(dict.fromkeys(names, wrong))
    remember.restore(window, Store(tmp_path))
    assert window.scope.shown == "a"


def test_a_fader_is_learned_and_remembered_for_the_next_engine(window: Window, client: FakeClient, tmp_path: Path):
    play(window, client)
    window.slots.wants_to_learn.emit("a.steps")
    assert client.sent[-1] == ("/verdigris/learn", ("a.steps",))
    client.events.append(Event("done", ("learn", "/1/fader1")))
    window.tick()
    remember.save(window, Store(tmp_path))
    other_client = FakeClient()
    other = Window(other_client, Store(tmp_path))  # type: ignore[arg-type]
    remember.restore(other, Store(tmp_path))
    other_client.play(a=nano())
    other.tick()
    assert ("/verdigris/bind", ("/1/fader1", "a.steps")) in other_client.sent
    other.close()
    delete(other)


def test_closing_the_window_lets_the_engine_play_unless_it_started_it(window: Window, client: FakeClient):
    play(window, client)
    window.close()
    assert (client.quits, client.closed) == (0, True)


def test_closing_the_window_ends_the_engine_that_it_started(window: Window, client: FakeClient):
    window.wishes.run_or_stop()
    play(window, client)
    window.close()
    assert client.quits == 1


def test_whatever_can_be_clicked_has_a_name_and_can_be_reached_by_tab(window: Window):
    for page in ("Bends", "Effects", "Morph", "Mix", "Play", "ABX", "Setup"):
        window.open_drawer(page)
    for kind in (QAbstractButton, QAbstractSlider, QComboBox):
        for widget in window.findChildren(kind):
            if widget.metaObject().className().startswith(("QComboBox", "QScrollBar")) or "qt_" in widget.objectName():
                continue
            named = widget.accessibleName() or (isinstance(widget, QAbstractButton) and widget.text())
            assert named, widget
            assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, widget


def test_a_drag_is_one_step_of_undo():
    values = {"x": 0}
    undo = Undo(values.__setitem__)
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


def test_state_that_cannot_be_read_is_no_state(tmp_path: Path):
    (tmp_path / "window.json").write_text("not json")
    store = Store(tmp_path)
    assert store.load() == {}
    assert store.load_preset("none") == {}
    assert store.save_preset("../../etc/passwd", {"gain": 1.0}) == ""
    assert [path.parent.name for path in tmp_path.rglob("*.json")].count("presets") == 1


def test_without_a_display_one_line_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert cli.main(["gui"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("verdigris: no display here")
    assert said.count("\n") == 1
