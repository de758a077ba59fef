"""The window offscreen with a fake client: display, buttons and keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QMimeData, QObject, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractSlider, QApplication, QLabel, QWidget

from gui.app import application
from gui.live_feed import HISTOGRAM_S, STALLED_S
from gui.page_pictures import save_pages
from gui.widgets import theme
from gui.widgets.parameter_controls import ParameterControls
from gui.widgets.readout import Readout
from gui.window import Window
from models.codec import CodecSpec
from realtime.client import ClientState, CodecInfo, Event, FrameSurprise
from realtime.parameters.table import PARAMETERS, When
from tests.support.gui_rig import FakeClient, nano, opus, pixels, play, press


@pytest.mark.parametrize(
    ("key", "path"), [(Qt.Key.Key_1, "dry"), (Qt.Key.Key_2, "a"), (Qt.Key.Key_3, "b"), (Qt.Key.Key_4, "delta")]
)
def test_a_digit_chooses_what_is_heard(window: Window, client: FakeClient, key: Qt.Key, path: str) -> None:
    play(window, client)
    client.set("monitor", "b" if path == "a" else "a")
    press(window, key)
    window.tick()
    assert client.values["monitor"] == path
    assert window.view.strip.paths[path].isChecked()


def test_space_swaps_a_and_b_even_after_a_click(window: Window, client: FakeClient) -> None:
    play(window, client)
    QTest.mouseClick(window.view.strip.paths["dry"], Qt.MouseButton.LeftButton)
    assert client.values["monitor"] == "dry"
    press(window, Qt.Key.Key_Space)
    assert client.values["monitor"] == "a"
    press(window, Qt.Key.Key_Space)
    assert client.values["monitor"] == "b"


def test_changes_by_another_client_are_shown(window: Window, client: FakeClient) -> None:
    play(window, client)
    client.set("monitor", "b")
    client.set("a.steps", 5)
    window.tick()
    assert window.view.strip.paths["b"].isChecked()
    assert window.view.slots.pages["a"].controls["a.steps"].value.text() == "5"


def test_a_slider_sets_and_can_be_undone_and_reset(window: Window, client: FakeClient) -> None:
    play(window, client)
    slider = window.view.slots.pages["a"].controls["a.steps"].editor
    assert isinstance(slider, QAbstractSlider)
    slider.setValue(6)
    assert client.values["a.steps"] == 6
    press(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert client.values["a.steps"] == 2
    slider.setValue(7)
    QTest.mouseDClick(slider, Qt.MouseButton.LeftButton)
    assert client.values["a.steps"] == PARAMETERS["a.steps"].default


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_every_parameter_has_a_control_that_shows_and_sets_it(name: str) -> None:
    application((1440, 900))
    row, sent = PARAMETERS[name], []
    controls = ParameterControls([(name, name)])
    control = controls.controls[name]
    control.changed.connect(lambda name, value: sent.append((name, value)))
    other = {bool: True, float: row.high, int: row.high, str: row.choices[-1] if row.choices else "text"}[row.kind]
    value = tuple([other] * row.size) if row.size else row.kind(other)
    control.show_value(value)
    assert sent == []
    control.edit(value)
    assert sent == [(name, value)]
    assert control.editor.accessibleName() == row.help
    assert row.address in control.editor.toolTip()


def test_the_plots_fill_and_the_dry_one_names_its_delay(window: Window, client: FakeClient) -> None:
    before = pixels(window.view.scope.input)
    play(window, client)
    window.tick()
    assert (pixels(window.view.scope.input) != before).any()
    assert "delayed 44 ms" in window.view.scope.panels["input"].note.text()


def test_tokens_are_digits_and_packets_are_bytes(window: Window, client: FakeClient) -> None:
    play(window, client)
    assert "4 digits of 11 levels" in window.view.scope.panels["tokens"].note.text()
    assert window.live_feed.token_note.startswith("entropy 3.")
    window.view.scope.show_path("b")
    client.now += HISTOGRAM_S
    window.tick()
    assert window.view.scope.panels["tokens"].title.text() == "PACKETS B"
    assert "no latent" in window.view.scope.latents.message
    assert window.live_feed.token_note == "60 bytes · 24.0 kbit/s"


def test_the_address_of_the_widget_under_the_cursor_is_shown_for_a_while(window: Window, client: FakeClient) -> None:
    play(window, client)
    QApplication.sendEvent(window.view.slots.pages["a"].controls["a.steps"].editor, QEvent(QEvent.Type.Enter))
    window.tick()
    assert window.view.messages.text.text() == "/verdigris/a/steps"
    client.now += 3.1
    window.tick()
    assert window.view.messages.text.text() != "/verdigris/a/steps"


def test_latency_opens_its_terms(window: Window, client: FakeClient) -> None:
    play(window, client)
    assert window.view.header.latency.value == "44 ms"
    QTest.mouseClick(window.view.header.latency, Qt.MouseButton.LeftButton)
    popup = window.overlays.latency
    assert popup
    labels = [label.text() for label in popup.findChildren(QLabel)]
    assert {"Frame", "20.0 ms", "LATENCY   43.5 ms"} <= set(labels)
    assert "Resampling" not in labels
    popup.close()


def test_health_is_green_and_dropouts_are_red(window: Window, client: FakeClient) -> None:
    play(window, client)
    readouts: list[Readout] = [window.view.header.load, window.view.header.ring, window.view.header.dropouts]
    assert [readout.role for readout in readouts] == [theme.GOOD] * 3
    assert client.rings
    client.rings.buffered = 10
    client.misses = {"late": 2, "stalled": 0, "died": 0, "xrun": 1}
    window.tick()
    assert [readout.role for readout in readouts[1:]] == [theme.BAD] * 2
    assert window.view.header.dropouts.value == "3"


def test_every_state_is_drawn(window: Window, client: FakeClient) -> None:
    seen = {}
    assert "no engine" in window.view.scope.input.message
    seen[ClientState.ABSENT] = pixels(window.view.scope.input)
    client.state = ClientState.LOADING
    window.tick()
    assert "loading" in window.view.scope.input.message
    seen[ClientState.LOADING] = pixels(window.view.scope.input)
    play(window, client)
    seen[ClientState.PLAYING] = pixels(window.view.scope.input)
    client.state = ClientState.WARMING_UP
    window.tick()
    assert "warming" in window.view.header.state.text()
    client.state = ClientState.GONE
    window.tick()
    assert "reconnecting" in window.view.header.state.text()
    seen[ClientState.GONE] = pixels(window.view.scope.input)
    assert seen[ClientState.GONE].mean() < 0.8 * seen[ClientState.PLAYING].mean()
    pictures = list(seen.values())
    assert all((a != b).any() for i, a in enumerate(pictures) for b in pictures[:i])


def test_a_stalled_stream_is_shown_as_no_device(window: Window, client: FakeClient) -> None:
    play(window, client)
    client.now += STALLED_S + 0.1
    window.tick()
    assert "no device" in window.view.header.state.text()
    assert client.rings
    client.rings.now += 480
    window.tick()
    window.tick()
    assert window.view.header.state.text() == ""


def test_freeze_stops_the_plots(window: Window, client: FakeClient) -> None:
    play(window, client)
    press(window, Qt.Key.Key_F)
    before = pixels(window.view.scope.input)
    assert client.rings
    client.rings.now += 48_000
    window.tick()
    np.testing.assert_array_equal(before, pixels(window.view.scope.input))


def test_the_run_button_starts_and_stops_the_engine(window: Window, client: FakeClient) -> None:
    QTest.mouseClick(window.view.header.run, Qt.MouseButton.LeftButton)
    assert client.started == [()]
    play(window, client)
    assert "Stop" in window.view.header.run.text()
    QTest.mouseClick(window.view.header.run, Qt.MouseButton.LeftButton)
    assert client.quits == 1


def test_setup_becomes_a_restart_or_flags_of_live(window: Window, client: FakeClient) -> None:
    play(window, client)
    QTest.mouseClick(window.view.header.device, Qt.MouseButton.LeftButton)
    assert client.asked == ["devices"]
    client.events.append(Event("answer", ("devices", [{"name": "Scarlett", "inputs": 2, "outputs": 0}])))
    window.tick()
    assert [window.view.setup.input.itemText(i) for i in range(2)] == ["default", "Scarlett"]
    assert window.view.setup.output.count() == 1
    window.view.setup.restore({"driver": "sound card", "input": "Scarlett", "block": "64", "latency": "9000"})
    flags = ["--driver", "device", "--input-device", "Scarlett", "--block", "64", "--latency", "9000"]
    window.user_actions.start_with(window.view.setup.wanted())
    pairs = ("driver", "device", "device.input", "Scarlett", "block", "64", "latency", "9000")
    assert client.sent[-1] == ("/verdigris/restart", pairs)
    client.state = ClientState.GONE
    window.tick()
    window.user_actions.run_or_stop()
    assert client.started == [(*flags, "--a", "nano:discrete", "--b", "opus:6")]


def test_a_file_and_a_loop_are_played_in_place_of_the_input(window: Window, client: FakeClient) -> None:
    play(window, client)
    window.user_actions.play_file("song.flac")
    window.tick()
    assert client.values["source"] == "song.flac"
    assert window.view.play.source.text() == "song.flac"
    QTest.mouseClick(window.view.play.loop, Qt.MouseButton.LeftButton)
    assert client.sent[-1] == ("/verdigris/capture", (8.0,))
    QTest.mouseClick(window.view.play.back, Qt.MouseButton.LeftButton)
    assert client.values["source"] == "input"


def test_an_engine_that_the_window_started_matches_levels(window: Window, client: FakeClient) -> None:
    window.user_actions.run_or_stop()
    play(window, client)
    assert client.values["match"] == "follow"


def test_a_file_that_is_dropped_is_played(window: Window, client: FakeClient, tmp_path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "song.flac"))])
    drop = QDropEvent(
        QPointF(10, 10), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    window.dropEvent(drop)
    assert client.started == [("--set", f"source={tmp_path / 'song.flac'}")]


def test_a_codec_that_is_known_before_the_stream_plays_is_drawn(window: Window, client: FakeClient) -> None:
    """The message "loading codecs" had stayed in place of latents and tokens."""
    play(window, client)
    scope = window.view.scope
    scope.set_message("loading codecs …")
    assert scope.tokens.message == "loading codecs …"
    scope.set_message("")
    assert (scope.latents.message, scope.tokens.message, scope.input.message) == ("", "", "")


def test_the_ghost_is_two_seeds_of_one_codec(window: Window, client: FakeClient) -> None:
    play(window, client)
    client.set("a.codec", "nano:discrete")
    window.view.mix.ghost_wanted.emit()
    values = client.values
    assert (values["b.codec"], values["b.seed"] - values["a.seed"], values["monitor"]) == ("nano:discrete", 1, "ghost")


def test_every_parameter_that_can_change_while_playing_is_in_the_window(window: Window) -> None:
    for rack in window.view.bends.racks.values():
        for bend, _, _ in rack.add.entries:
            rack.add_bend(bend)
    shown = {str(widget.property("parameter")) for widget in window.findChildren(QWidget)}
    elsewhere = {"monitor", "mute", "record", "record.directory", "source", "a.codec", "b.codec"}  # buttons, lists
    elsewhere |= {"a.bend.order", "b.bend.order"}  # buttons of the cards
    wanted = {name for name, row in PARAMETERS.items() if row.when != When.RESTART and not row.local}
    assert wanted - elsewhere <= shown


def test_codebooks_are_shown_for_codecs_that_have_them(window: Window, client: FakeClient) -> None:
    play(window, client)
    assert [window.view.slots.pages[slot].controls[f"{slot}.books"].editor.isHidden() for slot in "ab"] == [True, True]
    spec = CodecSpec("swift", 48_000, 2, 320, 0, 8, 1024, (0, 0), ("discrete",), True)
    client.play(a=CodecInfo("discrete", spec), b=nano())
    window.tick()
    assert [window.view.slots.pages[slot].controls[f"{slot}.books"].editor.isHidden() for slot in "ab"] == [False, True]


def test_a_tick_paints_the_pictures_and_nothing_beneath_them(window: Window, client: FakeClient) -> None:
    class Painted(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
            if event.type() == QEvent.Type.Paint:
                painted.append(type(watched).__name__)
            return False

    play(window, client)
    QApplication.processEvents()
    watch, painted = Painted(), list[str]()
    for widget in window.findChildren(QWidget):
        widget.installEventFilter(watch)
    assert client.rings
    for _ in range(6):
        client.rings.now += 1600
        client.now += 1600 / 48_000
        window.live_feed.step(playing=True)
        QApplication.processEvents()
    pictures = {"Meters", "Spectrogram", "FramePlot", "Spectrum", "StereoMeter", "LossMeter", "TokenHistogram"}
    assert painted.count("Meters") == painted.count("FramePlot") / 2 == 6
    assert set(painted) <= pictures


def test_the_spectrum_of_the_ghost_compares_a_with_b(window: Window, client: FakeClient) -> None:
    play(window, client)
    window.view.scope.show_path("ghost")
    assert client.rings
    for _ in range(2):
        client.rings.now += 9600
        window.tick()
    spectrum = window.view.spectrum
    assert (spectrum.reference, spectrum.path) == ("a", "b")
    assert window.view.panels["spectrum"].note.text() == "A · B · A − B"
    assert spectrum.db is not None
    assert spectrum.db[0].max() > spectrum.db[1].max()  # A is louder than B here


def test_the_picture_of_the_bends_shows_bends(window: Window, client: FakeClient, tmp_path: Path) -> None:
    play(window, client)
    assert save_pages(window, tmp_path / "window.png") == ""
    names = ("codecs", "bends", "setup", "compact")
    assert all((tmp_path / f"window-{name}.png").stat().st_size for name in names)
    assert len(window.view.bends.racks["a"].cards) == 4
    assert client.sent == []  # and they change nothing


def test_how_predictable_the_player_is_is_a_curve_above_the_tokens(window: Window, client: FakeClient) -> None:
    curve = window.view.scope.surprise
    client.play(a=nano(), b=opus())
    play(window, client)
    assert curve.isHidden()  # neither codec has a language model
    client.surprises["a"] = [FrameSurprise(1280 * number, bits) for number, bits in enumerate((2.0, 12.0, 9.6))]
    play(window, client)
    assert not curve.isHidden()
    places = [curve.place(point) for point in curve.points]
    assert places[0].x() < places[1].x() < places[2].x()
    assert places[1].y() < places[2].y() < places[0].y()
    assert (curve.newest, curve.accessibleDescription()) == ("9.6", "9.6 bits per token")
    assert "how predictable you are" in curve.accessibleName()
    client.codecs = {"a": opus()}
    client.events.append(Event("facts", ("codec",)))
    play(window, client)
    assert curve.isHidden()
