"""The window offscreen: cards of the slots and the list of codecs, by clicks and keys."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from gui.slots.codec_browser import CodecBrowser
from gui.slots.slot_card import SETTLE_MS
from gui.widgets.typing_guard import AFTER_MS
from gui.window import Window
from models.codec import CodecSpec
from realtime.client import ClientState, CodecInfo, Event
from realtime.worker import codec_catalogue
from tests.support.gui_rig import FakeClient, nano, opus, play, press

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def catalogue() -> list[dict[str, object]]:
    return codec_catalogue.rows()


@pytest.fixture
def playing(window: Window, client: FakeClient, catalogue: list[dict[str, object]]) -> Window:
    client.values |= {"a.codec": "nano:discrete", "b.codec": "opus:24"}
    window.start()
    client.events.append(Event("answer", ("codecs", catalogue)))
    play(window, client, 1.0)
    return window


def browser(window: Window, slot: str) -> CodecBrowser:
    QTest.mouseClick(window.view.cards[slot].codec, LEFT)
    assert window.slot_control.browser
    return window.slot_control.browser


def test_the_headline_shows_the_codec_and_its_compression(playing: Window) -> None:
    card = playing.view.cards["a"]
    assert card.codec.name == "nano"
    assert card.figures.lines(1000)[:2] == ("1536 → 5.2 kbit/s", "296 : 1")
    assert card.figures.lines(1000)[2].startswith("measured 5.20")
    assert card.figures.lines(150)[:2] == ("", "296 : 1")


def test_one_click_and_one_key_switch_the_path(playing: Window, client: FakeClient) -> None:
    card = playing.view.cards["a"]
    assert (card.paths["discrete"].isChecked(), card.paths["continuous"].isChecked()) == (True, False)
    QTest.mouseClick(card.paths["continuous"], LEFT)
    assert client.values["a.codec"] == "nano:continuous"
    client.codecs = {"a": nano("continuous"), "b": opus()}
    client.events += [Event("facts", ("codec",)), Event("done", ("a.codec", "nano:continuous"))]
    playing.tick()
    assert card.paths["continuous"].isChecked()
    assert card.figures.lines(1000)[1] == "64 : 1"
    press(playing, Qt.Key.Key_P)
    QTest.qWait(AFTER_MS + 100)
    assert client.values["a.codec"] == "nano:discrete"


def test_a_codec_of_one_path_says_so(playing: Window, client: FakeClient) -> None:
    card = playing.view.cards["b"]
    assert [card.paths[path].isEnabled() for path in ("continuous", "discrete")] == [False, True]
    press(playing, Qt.Key.Key_P, Qt.KeyboardModifier.ShiftModifier)
    QTest.qWait(AFTER_MS + 100)
    assert client.values["b.codec"] == "opus:24"
    assert "one path only" in playing.view.messages.text.text()


def test_the_bitrate_is_loaded_once_the_slider_rests(playing: Window, client: FakeClient) -> None:
    rate = playing.view.cards["b"].rate
    for _ in range(3):
        rate.setValue(rate.value() + 1)
    assert client.values["b.codec"] == "opus:24"
    assert playing.view.cards["b"].rate_text.text() == "48 kbit/s"
    QTest.qWait(SETTLE_MS + 100)
    assert client.values["b.codec"] == "opus:48"


def test_codebooks_change_at_once(playing: Window, client: FakeClient) -> None:
    spec = CodecSpec("encodec24", 24_000, 1, 320, 0, 32, 1024, (0, 0), ("discrete",), True, 32)
    client.values["b.codec"] = "encodec24"
    client.play(a=nano(), b=CodecInfo("discrete", spec))
    playing.tick()
    card = playing.view.cards["b"]
    assert card.rate.maximum() == 31
    card.rate.setValue(7)
    playing.tick()
    assert client.values["b.books"] == 8
    assert card.figures.lines(1000)[0] == "1536 → 6 kbit/s"
    card.rate.setValue(31)
    assert client.values["b.books"] == 0  # all


@pytest.mark.parametrize("typed", ["opus:32", "encodec24:random", "pcm:hop=480"])
def test_a_name_that_is_typed_is_sent_on_return(playing: Window, client: FakeClient, typed: str) -> None:
    for row in playing.slot_control.codecs.rows:
        row["here"] = True  # type: ignore[index]
    found = browser(playing, "b")
    QTest.keyClicks(found.search, typed)
    QTest.keyClick(found.search, Qt.Key.Key_Return)
    assert client.values["b.codec"] == typed
    assert not found.isVisible()


def test_a_family_keeps_the_path_and_arrow_keys_choose(playing: Window, client: FakeClient) -> None:
    press(playing, Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    QTest.qWait(AFTER_MS + 100)
    found = playing.slot_control.browser
    assert found
    QTest.keyClicks(found.search, "classic")
    QTest.keyClick(found.search, Qt.Key.Key_Down)
    QTest.keyClick(found.search, Qt.Key.Key_Return)
    assert client.values["b.codec"] == "swift"


def test_a_click_on_a_line_chooses_it_and_shows_that_it_loads(playing: Window, client: FakeClient) -> None:
    found = browser(playing, "a")
    (item,) = [
        item
        for item in (found.tree.topLevelItem(i) for i in range(found.tree.topLevelItemCount()))
        if item and item.text(0) == "mp3"
    ]
    client.set = lambda name, value: None  # type: ignore[method-assign] # the engine takes its time
    QTest.mouseClick(found.tree.viewport(), LEFT, pos=found.tree.visualItemRect(item).center())
    playing.tick()
    card = playing.view.cards["a"]
    assert (card.codec.name, card.note.text()) == ("mp3", "loading …")
    client.events.append(Event("fail", ("a.codec", "it needs more latency", 18_240, 379.2, "/verdigris/restart x 1")))
    playing.tick()
    assert (card.codec.name, card.note.text().split()[0]) == ("nano", "classic")


def test_weights_are_downloaded_with_progress_before_the_codec_loads(playing: Window, client: FakeClient) -> None:
    for row in playing.slot_control.codecs.rows:
        if row["name"] == "dac":
            row["here"] = False  # type: ignore[index]
    playing.slot_control.choose("b", "dac")
    assert client.fetched == ["dac"]
    client.events.append(Event("progress", ("dac", 30_000_000, 120_000_000)))
    playing.tick()
    card = playing.view.cards["b"]
    assert (card.codec.name, card.note.text()) == ("dac", "downloading … 25 %")
    assert client.values["b.codec"] == "opus:24"
    client.events.append(Event("fetched", ("dac",)))
    playing.tick()
    assert client.values["b.codec"] == "dac"


def test_a_download_that_fails_leaves_the_codec_as_it_was(playing: Window, client: FakeClient) -> None:
    for row in playing.slot_control.codecs.rows:
        if row["name"] == "dac":
            row["here"] = False  # type: ignore[index]
    playing.slot_control.choose("b", "dac")
    client.events.append(Event("fail", ("fetch", "dac", "huggingface.co cannot be reached")))
    playing.tick()
    assert playing.view.cards["b"].codec.name == "opus"
    assert "cannot be reached" in playing.view.messages.text.text()


def test_a_slot_that_is_off_takes_a_codec_by_a_restart(playing: Window, client: FakeClient) -> None:
    client.values["b.codec"] = "off"
    client.play(a=nano())
    playing.tick()
    assert playing.view.cards["b"].codec.name == "off"
    playing.slot_control.choose("b", "opus:12")
    assert client.sent[-1] == ("/verdigris/restart", ("b.codec", "opus:12"))


def test_without_an_engine_a_card_shows_what_will_play(playing: Window, client: FakeClient) -> None:
    client.state = ClientState.GONE
    playing.slot_control.choose("b", "aac:96")
    playing.tick()
    card = playing.view.cards["b"]
    assert (card.codec.name, card.note.text()) == ("aac", "plays once the engine starts")
    assert card.rate.isHidden() or not card.rate.isVisible()
    QApplication.processEvents()
