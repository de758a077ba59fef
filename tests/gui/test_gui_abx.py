"""The ABX test in the window: fair, without a hint of X, and ended when its conditions fail."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication

from gui.widgets import theme
from gui.window import Window
from realtime.client import ClientState, Event
from tests.support.gui_rig import FakeClient, pixels, play, press


def test_blind_hides_names_colours_and_plots(window: Window, client: FakeClient) -> None:
    play(window, client)
    press(window, Qt.Key.Key_B)
    assert window.view.cards["a"].codec.name == "hidden"  # before the next tick
    window.tick()
    texts = " ".join(child.text() for child in window.view.strip.findChildren(QAbstractButton) if child.isVisible())
    assert "DRY" not in texts
    assert "Δ" not in texts
    assert window.view.scope.input.message == window.view.spectrum.message == "hidden while blind"
    window.tick()
    card = window.view.cards["a"]
    assert (card.codec.name, card.figures.lines(1000)) == ("hidden", ("", "", ""))
    hues = {tuple(int(theme.PATHS[path][i : i + 2], 16) for i in (5, 3, 1)) for path in ("a", "b", "delta")}
    seen = {tuple(pixel) for pixel in pixels(window).reshape(-1, 3)}
    assert not hues & seen


class AlwaysB:
    """Source of X that is always B."""

    def choice(self, of: tuple[str, ...]) -> str:
        return "b"


def test_an_abx_test_is_fair_hides_everything_and_is_scored_at_its_end(
    window: Window, client: FakeClient, tmp_path: Path
) -> None:
    play(window, client)
    client.set("monitor", "delta")
    window.overlays.open_page("ABX")
    window.view.abx.draws = AlwaysB()
    QApplication.processEvents()
    QTest.mouseClick(window.view.abx.start_button, Qt.MouseButton.LeftButton)
    window.tick()
    assert ("/verdigris/capture", (1.5,)) in client.sent  # 2 s were heard
    assert client.values["match"] == "follow"
    window.monitoring.abx_setup.hold_levels()
    assert client.values["match"] == "hold"
    for number in range(16):
        assert window.view.abx.progress.text() == f"Trial {number + 1} of 16"
        assert not window.view.abx.answers["a"].isEnabled()
        press(window, Qt.Key.Key_3)
        window.tick()
        assert client.values["monitor"] == "b"
        assert not any(button.isChecked() for button in window.view.strip.paths.values())
        assert window.view.scope.input.message == "hidden while blind"
        assert window.view.abx.score.text() == ""
        press(window, Qt.Key.Key_5 if number else Qt.Key.Key_4)
    assert window.view.abx.score.text().startswith("15 right of 16, p = 0.000259")
    window.tick()
    assert (client.values["monitor"], client.values["match"], client.values["source"]) == ("delta", "off", "input")
    assert window.view.strip.paths["delta"].isChecked()
    assert window.view.scope.input.message == ""
    for name in ("abx.csv", "abx.json"):
        window.view.abx.write(tmp_path / name)
    assert (tmp_path / "abx.csv").read_text().startswith("trial,x,answer")
    assert '"p_value"' in (tmp_path / "abx.json").read_text()


def test_an_abx_test_ends_if_its_loop_fails(window: Window, client: FakeClient) -> None:
    play(window, client)
    window.view.abx.start()
    client.events.append(Event("fail", ("capture", "only 0.1 s were heard so far.")))
    window.tick()
    assert not window.view.abx.running
    assert "only 0.1 s" in window.view.messages.text.text()


def test_an_abx_test_ends_with_its_engine(window: Window, client: FakeClient) -> None:
    play(window, client)
    window.view.abx.start()
    client.state = ClientState.GONE
    window.tick()
    assert not window.view.abx.running
    assert window.view.strip.blind.isEnabled()


def test_a_trial_in_which_dry_stood_in_is_repeated_and_nothing_reveals_the_slot(
    window: Window, client: FakeClient
) -> None:
    play(window, client)
    window.view.abx.draws = AlwaysB()
    window.view.abx.start()
    press(window, Qt.Key.Key_3)
    client.heard = "dry for b"
    client.events.append(Event("heard", ("dry for b",)))
    window.tick()
    assert window.view.strip.caption.text() == "DROPOUT"
    client.heard = "b"
    press(window, Qt.Key.Key_5)
    assert window.view.abx.progress.text() == "Trial 1 of 16, once more: a dropout was heard"
    press(window, Qt.Key.Key_3)
    press(window, Qt.Key.Key_5)
    assert window.view.abx.progress.text() == "Trial 2 of 16"
