"""A blind test in the window: fair, without a hint of what it is, and over when it cannot be had."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication

from gui import theme
from gui.window import Window
from realtime.client import GONE, Event
from tests.gui_rig import FakeClient, pixels, play, press


def test_blind_hides_names_colours_and_pictures(window: Window, client: FakeClient):
    play(window, client)
    press(window, Qt.Key.Key_B)
    window.tick()
    texts = " ".join(child.text() for child in window.strip.findChildren(QAbstractButton) if child.isVisible())
    assert "DRY" not in texts
    assert "Δ" not in texts
    assert window.scope.input.message == window.spectrum.message == "hidden while blind"
    assert "nano" not in window.header.codecs["a"].currentText()
    hues = {tuple(int(theme.PATHS[path][i : i + 2], 16) for i in (5, 3, 1)) for path in ("a", "b", "delta")}
    seen = {tuple(pixel) for pixel in pixels(window).reshape(-1, 3)}
    assert not hues & seen


class Always:
    """X is always B."""

    def choice(self, of: tuple[str, ...]) -> str:
        return "b"


def test_a_blind_test_is_fair_hides_what_would_tell_and_is_scored_at_its_end(
    window: Window, client: FakeClient, tmp_path: Path
):
    play(window, client)
    client.set("monitor", "delta")
    window.open_drawer("ABX")
    window.abx.draws = Always()
    QApplication.processEvents()
    QTest.mouseClick(window.abx.begin_button, Qt.MouseButton.LeftButton)
    window.tick()
    assert ("/verdigris/capture", (1.5,)) in client.sent  # of the 2 s that were heard
    assert client.values["match"] == "follow"
    window.fair.settle()
    assert client.values["match"] == "hold"
    for number in range(16):
        assert window.abx.progress.text() == f"Trial {number + 1} of 16"
        assert not window.abx.answers["a"].isEnabled()
        press(window, Qt.Key.Key_3)
        window.tick()
        assert client.values["monitor"] == "b"
        assert not any(button.isChecked() for button in window.strip.paths.values())
        assert window.scope.input.message == "hidden while blind"
        assert window.abx.score.text() == ""
        press(window, Qt.Key.Key_5 if number else Qt.Key.Key_4)
    assert window.abx.score.text().startswith("15 right of 16, p = 0.000259")
    window.tick()
    assert (client.values["monitor"], client.values["match"], client.values["source"]) == ("delta", "off", "input")
    assert window.strip.paths["delta"].isChecked()
    assert window.scope.input.message == ""
    for name in ("abx.csv", "abx.json"):
        window.abx.write(tmp_path / name)
    assert (tmp_path / "abx.csv").read_text().startswith("trial,x,answer")
    assert '"p_value"' in (tmp_path / "abx.json").read_text()


def test_a_blind_test_ends_where_its_loop_cannot_be_had(window: Window, client: FakeClient):
    play(window, client)
    window.abx.begin()
    client.events.append(Event("fail", ("capture", "only 0.1 s were heard so far.")))
    window.tick()
    assert not window.abx.running
    assert "only 0.1 s" in window.strip.hint.text()


def test_a_blind_test_ends_with_its_engine(window: Window, client: FakeClient):
    play(window, client)
    window.abx.begin()
    client.state = GONE
    window.tick()
    assert not window.abx.running
    assert window.strip.blind.isEnabled()
