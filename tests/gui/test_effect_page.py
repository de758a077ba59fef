"""Effects and bends in the window: cards that are added, ordered, bypassed, removed and greyed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractSlider, QApplication, QFileDialog, QLabel

from gui.model.bend_groups import BY_BEND, GROUPS, in_order, order_with
from gui.window import Window
from models.pcm import Pcm
from realtime.bends import registry
from realtime.bends.chain import BendChain
from realtime.client import CodecInfo, Event
from realtime.parameters.table import PARAMETERS, Parameter, When
from tests.support.gui_rig import FakeClient, play, press

ORDERED = [group.bend for group in GROUPS if group.ordered]


def with_effects(window: Window, client: FakeClient) -> None:
    """Play with two effects after A."""
    play(window, client)
    window.overlays.open_page("Effects")
    drive = Parameter("a.post.1.drive", float, 0.5, When.FRAME, "drive, of py:own.py", 0.0, 2.0, clamp=True)
    bypasses = [Parameter(f"a.post.{at}.bypass", bool, False, When.FRAME, "bypass") for at in (1, 2)]
    client.table |= {row.name: row for row in (*bypasses, drive)}
    client.values |= {row.name: row.default for row in (*bypasses, drive)}
    client.effects = {"a.post.1": "py:place/own.py", "a.post.2": "gain"}
    client.events.append(Event("facts", ("effects",)))
    window.tick()


def test_effects_have_cards_with_their_controls(window: Window, client: FakeClient) -> None:
    with_effects(window, client)
    page = window.view.effects
    assert [card.title.text() for card in page.cards.values()] == ["own.py", "gain"]
    slider = page.racks[0].controls["a.post.1.drive"].editor
    assert isinstance(slider, QAbstractSlider)
    slider.setValue(slider.maximum())
    assert client.values["a.post.1.drive"] == 2.0
    window.user_actions.save_preset("driven")
    press(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert client.values["a.post.1.drive"] == 0.5
    window.user_actions.load_preset("driven")
    assert client.values["a.post.1.drive"] == 2.0


def test_an_effect_is_bypassed_moved_and_removed_by_its_card(window: Window, client: FakeClient) -> None:
    with_effects(window, client)
    first, second = window.view.effects.cards.values()
    QTest.mouseClick(first.switch, Qt.MouseButton.LeftButton)
    assert client.values["a.post.1.bypass"] is True
    client.set("a.post.1.bypass", False)
    window.tick()
    assert first.switch.isChecked()
    assert (first.earlier.isEnabled(), first.later.isEnabled(), second.later.isEnabled()) == (False, True, False)
    QTest.mouseClick(second.earlier, Qt.MouseButton.LeftButton)
    assert client.sent[-1] == ("/verdigris/rack/move", ("a.post", 2, 1))
    QTest.mouseClick(first.remove, Qt.MouseButton.LeftButton)
    sent: tuple[str, tuple[object, ...]] = client.sent[-1]
    assert sent == ("/verdigris/rack/remove", ("a.post", 1))


def test_an_effect_is_added_from_a_list_of_what_is_installed(window: Window, client: FakeClient) -> None:
    play(window, client)
    assert "effects" in client.asked or not window._timer.isActive()
    client.events.append(Event("answer", ("effects", {"plugins": [{"effect": "lv2:urn:chorus", "name": "Chorus"}]})))
    window.tick()
    menu = window.view.effects.menus["b.post"]
    menu.choices.aboutToShow.emit()
    (chorus,) = [action for action in menu.choices.actions() if action.text() == "Chorus"]
    chorus.trigger()
    assert client.sent[-1] == ("/verdigris/rack/add", ("b.post", "lv2:urn:chorus"))


def test_a_file_as_effect_starts_the_engine_again_with_it(
    window: Window, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("/my/fold.py", ""))
    with_effects(window, client)
    window.view.effects.menus["pre"].chosen.emit("py")
    assert client.quits == 1
    flags = " ".join(window.user_actions._next_flags or ())
    assert flags.endswith("--post-a py:place/own.py --post-a gain --pre py:/my/fold.py")


def test_a_model_is_added_while_the_engine_plays_once_it_is_allowed(
    window: Window, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("/my/model.ts", ""))
    with_effects(window, client)
    window.view.effects.menus["pre"].chosen.emit("nn")
    add = ("/verdigris/rack/add", ("pre", "nn:/my/model.ts"))
    assert client.sent[-1] == add
    client.sent.clear()
    client.events.append(Event("fail", ("rack", "it is a program.", 0, 0.0, "verdigris trust /my/model.ts")))
    window.tick()
    QTest.mouseClick(window.view.messages.choices[0], Qt.MouseButton.LeftButton)
    assert client.allowed == ["/my/model.ts"]
    client.events.append(Event("answer", ("trust", "it may run")))
    window.tick()
    assert client.sent == [add]


def test_every_bend_of_the_engine_has_a_musical_name_and_its_amounts() -> None:
    for bend in registry.BENDS:
        group = BY_BEND[bend.name]
        assert (set(group.amounts), group.needs_tokens) == (set(bend.amounts), bend.needs_tokens), bend.name
        assert set(group.controls) == {control.name for control in bend.controls}
    names = [name for group in GROUPS for name in group.names("a")]
    general = {f"a.bend.{name}" for name in ("on", "seed", "order", "file")}
    assert {*names, *general} == {name for name in PARAMETERS if name.startswith(("a.bend.", "a.continue"))}
    assert len(set(names)) == len(names)


def test_playing_on_is_a_card_before_the_bends_and_for_swift_alone(window: Window, client: FakeClient) -> None:
    play(window, client)
    rack = window.view.bends.racks["a"]
    rack.add_bend("freeze")
    rack.add_bend("continue")
    assert rack.shown() == ["continue", "freeze"]
    rack.controls["continue"].changed.emit("a.continue", 0.5)
    rack.show_values(client.values)
    for on, value in ((False, 0.0), (True, 0.5)):
        rack.cards["continue"].switched.emit(on)
        assert client.values["a.continue"] == value
    group = BY_BEND["continue"]
    swift = CodecInfo("discrete", replace(Pcm().spec, name="swift:6"))
    assert group.passed_over(swift) == ""
    assert "choose swift" in group.passed_over(CodecInfo("discrete", Pcm().spec))
    window.user_actions.reset_bends("a")
    assert client.values["a.continue"] == 0.0


@given(st.permutations(ORDERED), st.sampled_from(ORDERED), st.sampled_from([-1, 1]))
def test_a_moved_bend_is_one_place_further_in_the_engine_too(order: list[str], bend: str, step: int) -> None:
    shown = in_order(ORDERED, " ".join(order))
    moved = order_with(shown, " ".join(order), bend, step)
    after = in_order(ORDERED, moved)
    at = shown.index(bend)
    assert after.index(bend) == min(max(at + step, 0), len(shown) - 1)
    assert sorted(after) == sorted(ORDERED)
    chain = BendChain(Pcm(), 0, "discrete", lambda line: None)
    chain.set("order", moved)
    for name in ("noise", "stutter.frames", "loss.token"):
        chain.set(name, 1)
    names = ["noise", "stutter", "loss"]
    assert [active.name for active in chain._active] == sorted(names, key=after.index)


def test_a_bend_is_added_bypassed_moved_and_removed(window: Window, client: FakeClient) -> None:
    play(window, client)
    window.overlays.open_page("Bends")
    rack = window.view.bends.racks["a"]
    rack.add.chosen.emit("stutter")
    slider = rack.controls["stutter"].controls["a.bend.stutter.frames"].editor
    assert isinstance(slider, QAbstractSlider)
    slider.setValue(4)
    client.set("a.bend.loss.token", 0.5)  # by another program: it gets a card too
    window.tick()
    assert rack.shown() == ["stutter", "loss"]
    QApplication.processEvents()
    card = rack.cards["stutter"]
    QTest.mouseClick(card.switch, Qt.MouseButton.LeftButton)
    window.tick()
    assert client.values["a.bend.stutter.frames"] == 0
    assert not card.switch.isChecked()
    QTest.mouseClick(card.switch, Qt.MouseButton.LeftButton)
    window.tick()
    assert client.values["a.bend.stutter.frames"] == 4
    QTest.mouseClick(rack.cards["loss"].earlier, Qt.MouseButton.LeftButton)
    window.tick()
    assert rack.shown() == ["loss", "stutter"]
    QTest.mouseClick(card.remove, Qt.MouseButton.LeftButton)
    assert client.values["a.bend.stutter.frames"] == 0
    assert rack.shown() == ["loss"]


def test_a_bend_that_the_codec_passes_over_is_grey_and_says_why(window: Window, client: FakeClient) -> None:
    play(window, client)
    window.overlays.open_page("Bends")
    window.view.bends.show_slot("b")
    rack = window.view.bends.racks["b"]
    why = {value: reason for value, _, reason in rack.add.entries}
    assert "opus:24 passes this over" in why["noise"]
    assert why["freeze"] == why["loss"] == ""
    rack.add_bend("mask")
    assert not rack.cards["mask"].body.isEnabled()
    assert "no tokens" in rack.cards["mask"].sentence.text()
    assert "continuous" in {value: reason for value, _, reason in window.view.bends.racks["a"].add.entries}["blend"]


def test_no_bends_are_said_so(window: Window, client: FakeClient) -> None:
    play(window, client)
    window.overlays.open_page("Bends")
    none = window.view.bends.racks["a"].none
    assert none.isVisible()
    window.view.bends.racks["a"].add_bend("freeze")
    assert not none.isVisible()
    assert "Freeze" in {label.text() for label in window.view.bends.findChildren(QLabel)}
