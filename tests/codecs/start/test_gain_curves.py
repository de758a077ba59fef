"""Gain curves: their digits, and what a search chooses."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.codicodec.start.digit_layout import EVENTS
from models.codicodec.start.gain_curves import (
    MOST,
    NO_EVENT,
    SLOT,
    SLOTS,
    Event,
    Kind,
    curve_of,
    decode_events,
    gate,
    linear_gains,
)
from models.codicodec.start.gain_search import BEFORE, choose, slot_levels

SILENCE = -80.0


def levels(*parts: tuple[int, float]) -> np.ndarray:
    """Return slot levels in dB: so many slots of each level, the last one to the end of the frame."""
    found = np.concatenate([np.full(count, level) for count, level in parts])
    return np.concatenate([found, np.full(BEFORE + SLOTS - len(found), parts[-1][1])])


def chosen(given: np.ndarray, before: float = 0.0) -> list[Event]:
    return choose(given, np.full(BEFORE, before)).events


@given(st.integers(0, NO_EVENT - 1))
def test_an_event_is_the_number_that_codes_it(number: int) -> None:
    assert Event.of(number).number() == number


@given(st.lists(st.integers(0, 1330), min_size=EVENTS, max_size=EVENTS), st.integers(0, 10))
def test_any_digits_give_a_bounded_curve(numbers: list[int], start: int) -> None:
    curve = curve_of(5.0 * start, decode_events(np.array(numbers)))
    assert curve.shape == (SLOTS,)
    assert np.abs(curve).max() <= MOST


@given(st.lists(st.floats(-80, 20), min_size=BEFORE + SLOTS, max_size=BEFORE + SLOTS), st.floats(-54, 54))
def test_what_the_search_chooses_is_what_its_digits_decode_to(given_levels: list[float], before: float) -> None:
    gain = choose(np.array(given_levels), np.full(BEFORE, before))
    assert len(gain.numbers) == EVENTS
    assert np.array_equal(curve_of(5.0 * gain.start, decode_events(np.array(gain.numbers))), gain.curve)


def test_steady_sound_has_no_gain() -> None:
    assert chosen(levels((1, -20.0))) == []


def test_a_sound_that_lasts_after_silence_is_softer_before_and_as_it_is_after() -> None:
    gain = choose(levels((BEFORE + 30, SILENCE), (1, -15.0)), np.zeros(BEFORE))
    assert [(event.kind, event.slot) for event in gain.events] == [(Kind.STEP, 30)]
    assert gain.curve[:30].max() <= -50
    assert gain.curve[30:].tolist() == [0.0] * (SLOTS - 30)


def test_a_hit_that_dies_away_raises_the_gain_as_long_as_it_sounds() -> None:
    decaying = -10 - 3 * np.arange(SLOTS - 20.0)
    given_levels = np.concatenate([np.full(BEFORE + 20, -60.0), np.maximum(decaying, -60.0)])
    assert {event.kind for event in chosen(given_levels)} <= {Kind.SLOW, Kind.FAST, Kind.STEP}
    curve = choose(given_levels, np.zeros(BEFORE)).curve
    assert curve[20] - curve[19] > 30
    assert curve[-1] < 10


def test_silence_at_the_end_is_dropped_for_what_may_follow() -> None:
    events = chosen(levels((BEFORE + 40, -15.0), (1, SILENCE)))
    assert [(event.kind, event.slot) for event in events] == [(Kind.DROP, 40)]
    assert curve_of(0.0, events)[40:].max() <= -29


def test_a_held_attack_after_a_drop_is_softer_from_the_drop_on() -> None:
    events = [Event(10, Kind.DROP, 29.0), Event(30, Kind.STEP, 40.0)]
    curve = curve_of(0.0, events)
    assert (curve[:10] == 0).all()
    assert (curve[10:30] == -40).all()
    assert (curve[30:] == 0).all()


def test_the_overlap_before_an_early_step_attack_is_gated_unless_it_was_dropped() -> None:
    early, later = [Event(3, Kind.STEP, 40.0)], [Event(30, Kind.STEP, 40.0)]
    assert gate(early, 0.0) == -40
    assert gate(early, -54.0) == 0
    assert gate(later, 0.0) == 0
    assert gate([], 0.0) == 0


def test_a_gain_rises_within_half_a_millisecond_and_falls_over_its_slot() -> None:
    gains = 20 * np.log10(linear_gains(np.array([0.0, 30.0, 0.0]), 0.0))
    assert gains[SLOT + 24 : 2 * SLOT].min() > 29.9
    assert 10 < gains[2 * SLOT + SLOT // 2] < 20
    assert slot_levels(np.ones((2, SLOT), np.float32)).tolist() == [10 * np.log10(2 + 1e-8)]
