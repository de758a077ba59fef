"""Latency popup: terms by slot in words, as a bar, in milliseconds and samples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from gui.latency.latency_bars import TICKS, LatencyBar
from gui.model.latency_terms import WORDS, by_slot
from gui.model.round_numbers import round_step
from gui.window import Window
from realtime.client import Latency
from tests.support.gui_rig import FakeClient, play

TERMS = st.dictionaries(st.sampled_from(list(WORDS)), st.integers(0, 20_000))


@given(st.dictionaries(st.sampled_from("ab"), TERMS, min_size=1))
def test_the_terms_of_a_slot_add_up_and_have_words(slots: dict[str, dict[str, int]]) -> None:
    for slot in by_slot(Latency(100, 2.1, {}, slots)):
        assert slot.samples == sum(slots[slot.slot].values())
        assert all(term.words != term.name and term.sentence for term in slot.terms)


@given(st.floats(0.1, 1e5))
def test_an_axis_has_few_round_ticks(longest: float) -> None:
    step = round_step(longest, TICKS)
    assert longest / step <= TICKS * (1 + 1e-6)
    assert str(f"{step:.0e}")[0] in "125"


def popup_of(window: Window, client: FakeClient) -> list[str]:
    play(window, client)
    terms = {"a": {"hop": 960, "lookahead": 312, "reserve": 0}, "b": {"hop": 240, "reserve": 1032}}
    client.latency = Latency(1272, 26.5, terms["a"], terms)
    QTest.keyClick(window, Qt.Key.Key_T)
    popup = window.overlays.latency
    assert popup is not None
    assert popup.isVisible()
    return [label.text() for label in popup.findChildren(QLabel)]


def test_the_popup_has_each_slot_in_milliseconds_and_samples_on_demand(window: Window, client: FakeClient) -> None:
    texts = popup_of(window, client)
    assert {"SLOT A", "SLOT B", "Look-ahead", "20.0 ms", "6.5 ms", "21.5 ms"} <= set(texts)
    popup = window.overlays.latency
    assert popup is not None
    QTest.keyClick(popup, Qt.Key.Key_S)
    assert {"960", "312", "1032"} <= {label.text() for label in popup.findChildren(QLabel)}
    QTest.keyClick(popup, Qt.Key.Key_X)
    assert not popup.isVisible()


def test_both_bars_have_one_scale(window: Window, client: FakeClient) -> None:
    popup_of(window, client)
    popup = window.overlays.latency
    assert popup is not None
    a, b = popup.findChildren(LatencyBar)
    assert a.segments()[0].width() == pytest.approx(4 * b.segments()[0].width(), rel=0.05)
    assert a.segments()[-1].right() == pytest.approx(a.width(), abs=3)
    assert "Look-ahead 6.5 ms" in a.accessibleName()
