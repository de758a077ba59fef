"""Tour of the first run: four steps at visible parts, once, by keys too."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from gui import window_state
from gui.model.settings import Settings
from gui.tour import STEPS
from gui.widgets.tour_overlay import TourOverlay
from gui.window import Window
from tests.support.gui_rig import FakeClient, play, press


def test_the_tour_opens_once_something_plays_and_never_again(
    window: Window, client: FakeClient, tmp_path: Path
) -> None:
    window_state.restore(window, Settings(tmp_path))
    window.tick()
    assert not window.findChildren(TourOverlay)
    play(window, client, 0.2)
    overlay = window.tour.overlay
    assert overlay is not None
    titles = []
    for number in range(len(STEPS)):
        titles.append(overlay.title.text())
        assert overlay.count.text() == f"{number + 1} of 4"
        QApplication.processEvents()
        overlay.place()
        assert overlay.hole().width() > 20
        assert not overlay.hole().intersects(overlay.bubble.geometry())
        assert overlay.rect().contains(overlay.bubble.geometry())
        QTest.mouseClick(overlay.next, Qt.MouseButton.LeftButton)
    assert titles == ["Hear A", "Switch the path", "Bend", "Blind test"]
    assert window.tour.overlay is None
    assert not window.view.side_panel_open
    window_state.restore(window, Settings(tmp_path))
    window.tick()
    assert window.tour.overlay is None


def test_the_bright_part_can_be_clicked_and_escape_ends_the_tour_without_a_mute(
    window: Window, client: FakeClient
) -> None:
    play(window, client, 0.2)
    client.set("monitor", "dry")
    press(window, Qt.Key.Key_F1)
    overlay = window.tour.overlay
    assert overlay is not None
    button = window.view.strip.paths["a"]
    at = button.mapTo(window.view, QPoint(button.width() // 2, button.height() // 2))
    assert window.view.childAt(at) is button
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert client.values["monitor"] == "a"
    QTest.keyClick(overlay.next, Qt.Key.Key_Escape)
    assert window.tour.overlay is None
    assert client.values["mute"] is False


def test_the_tour_goes_back_and_forth_by_keys(window: Window, client: FakeClient) -> None:
    play(window, client, 0.2)
    press(window, Qt.Key.Key_F1)
    overlay = window.tour.overlay
    assert overlay is not None
    QTest.keyClick(overlay.next, Qt.Key.Key_Return)
    assert overlay.count.text() == "2 of 4"
    QTest.keyClick(overlay.back, Qt.Key.Key_Return)
    assert overlay.count.text() == "1 of 4"
    QTest.keyClick(overlay.next, Qt.Key.Key_Escape)
