"""Messages and health: texts, levels, history and what their buttons do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton

from gui.model.health import RECENT_S, Facts, HealthWatch
from gui.model.message_list import Level, Message, MessageLog
from gui.model.wording import failure, plain
from gui.window import Window
from realtime.client import ClientState, Event
from tests.support.gui_rig import FakeClient, play, press


def playing(**more: Any) -> Facts:
    return Facts(ClientState.PLAYING, latency=4800, rate=48_000, **more)


def test_a_reason_has_milliseconds_and_no_command() -> None:
    reason = "it needs a latency of 18240 samples (380.0 ms), this stream has 2088 samples (43.5 ms). "
    told = failure("a.codec", reason + "Restart with latency 18240.")
    assert told == "Codec A: it needs a latency of 380 ms, this stream has 44 ms."


@given(st.integers(0, 2**20), st.floats(0, 1e5))
def test_no_number_of_samples_is_left_in_a_message(samples: int, ms: float) -> None:
    assert "samples" not in plain(f"it takes {samples} samples ({ms:.1f} ms) here")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(Level)))))
def test_the_newest_message_is_first_and_only_new_errors_are_counted(added: list[tuple[str, Level]]) -> None:
    log = MessageLog(keep=5)
    for text, level in added:
        log.add(Message(text, level))
    assert [message.text for message in log][:1] == [text for text, _ in added[-1:]]
    assert len(log) <= 5
    assert log.unread_errors <= sum(level is Level.BAD for _, level in added)
    log.mark_read()
    assert log.unread_errors == 0


def test_a_new_dropout_is_told_with_a_remedy_and_goes_after_a_while() -> None:
    watch = HealthWatch()
    assert watch.judge(playing(dropouts={"late": 5}), 0.0).level is Level.GOOD  # from before this window
    told = watch.judge(playing(dropouts={"late": 7}), 1.0)
    assert (told.level, told.remedy, told.latency) == (Level.BAD, "latency", 7200)
    assert told.text.startswith("2 dropouts in 10 s: a codec was late. 150 ms")
    assert watch.judge(playing(dropouts={"late": 7}), 2.0 + RECENT_S).text.startswith("healthy: 7 dropouts")


@pytest.mark.parametrize(
    ("facts", "remedy", "words"),
    [
        (Facts(ClientState.ABSENT), "start", "nothing plays"),
        (Facts(ClientState.GONE), "start", "gone"),
        (Facts(ClientState.PLAYING, stalled=True), "", "sound card"),
        (playing(load=1.3, steps=3), "steps", "too slow"),
        (playing(load=1.3), "", "smaller codec"),
        (playing(short=True), "latency", "running short"),
        (playing(muted=True), "unmute", "muted"),
        (playing(load=0.3), "", "70% of the compute time spare"),
    ],
)
def test_every_state_says_what_to_do(facts: Facts, remedy: str, words: str) -> None:
    told = HealthWatch().judge(facts, 0.0)
    assert told.remedy == remedy
    assert words in told.text


def test_the_remedy_of_the_health_line_is_a_button(window: Window, client: FakeClient) -> None:
    play(window, client)
    bar = window.view.messages
    assert not bar.remedy.isVisible()
    client.misses = {"late": 3}
    window.tick()
    assert bar.remedy.text() == "Restart with 65 ms"
    QTest.mouseClick(bar.remedy, Qt.MouseButton.LeftButton)
    assert client.sent[-1] == ("/verdigris/restart", ("latency", 3132))
    client.misses = {}
    client.set("mute", True)
    window.engine_view._health._recent.clear()
    window.tick()
    QTest.mouseClick(bar.remedy, Qt.MouseButton.LeftButton)
    assert client.values["mute"] is False


def test_a_failed_codec_can_be_tried_again_from_the_history(window: Window, client: FakeClient) -> None:
    play(window, client)
    window.user_actions.change("a.codec", "opus:6")
    client.events.append(Event("fail", ("a.codec", "the network is down.")))
    window.tick()
    bar = window.view.messages
    assert bar.text.text() == "Codec A: the network is down."
    assert bar.history.text() == "History · 1 error"
    client.set("a.codec", "nano:discrete")
    press(window, Qt.Key.Key_H)
    history = window.status.history
    assert history is not None
    assert history.isVisible()
    assert "Codec A: the network is down." in [label.text() for label in history.findChildren(QLabel)]
    (retry,) = history.findChildren(QPushButton)
    QTest.mouseClick(retry, Qt.MouseButton.LeftButton)
    assert client.values["a.codec"] == "opus:6"
    assert not history.isVisible()
    assert bar.history.text() == "History"


def test_a_model_that_may_not_run_yet_is_allowed_and_tried_again_by_a_button(
    window: Window, client: FakeClient
) -> None:
    play(window, client)
    window.user_actions.change("a.codec", "rave:my model.ts")
    offer = "verdigris trust '/home/me/my model.ts'"
    client.events.append(Event("fail", ("a.codec", "it is a program.", 0, 0.0, offer)))
    window.tick()
    button = window.view.messages.choices[0]
    assert button.text() == "Allow my model.ts"
    assert client.allowed == []
    client.set("a.codec", "nano:discrete")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert client.allowed == ["/home/me/my model.ts"]
    client.events.append(Event("answer", ("trust", '"my model.ts" may run from now on')))
    window.tick()
    assert client.values["a.codec"] == "rave:my model.ts"


def test_a_command_of_another_shell_is_never_offered_as_consent(window: Window, client: FakeClient) -> None:
    play(window, client)
    client.events.append(Event("fail", ("a.codec", "hello", 0, 0.0, "rm trust file")))
    window.tick()
    assert "Allow" not in window.view.messages.choices[0].text()


def test_a_recording_offers_its_folder(window: Window, client: FakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("gui.engine_view.QDesktopServices.openUrl", lambda url: opened.append(url.toLocalFile()))
    play(window, client)
    client.events.append(Event("done", ("record", "/music/take-2")))
    window.tick()
    QTest.mouseClick(window.view.messages.choices[0], Qt.MouseButton.LeftButton)
    assert opened == ["/music/take-2"]


def test_a_hover_does_not_hide_a_message_with_a_choice(window: Window, client: FakeClient) -> None:
    play(window, client)
    client.events.append(Event("done", ("record", "/music/take")))
    window.tick()
    window.status.show_address("/verdigris/a/steps")
    assert window.view.messages.text.text() == "recorded in /music/take"
