"""Tokens of swift's second layer that are no shapes: a change of some slots, levels of the treble."""

from __future__ import annotations

import numpy as np
import pytest

from models.swift import slot_change, treble_levels
from models.swift.energies import UNIT
from models.swift.frame_layout import BANDS, BINS, CHANGE, ENTRIES, HOP, TREBLE, fine_positions, shape_positions
from models.swift.gain_control import SLOT, SLOTS
from models.swift.slot_change import LEVELS, NONE, SPANS, SlotChange


def test_every_change_has_a_token_and_other_tokens_change_nothing() -> None:
    curves = {tuple(SlotChange.of(token).curve) for token in range(1 + len(SPANS) * len(LEVELS))}
    assert len(curves) == 1 + len(SPANS) * len(LEVELS) <= ENTRIES
    for token in (NONE, 1 + len(SPANS) * len(LEVELS), ENTRIES - 1):
        assert SlotChange.of(token).curve == [0.0] * SLOTS


def test_what_is_too_loud_before_an_attack_is_lowered() -> None:
    wanted = np.array([-70.0] * 6 + [-20.0] * 4)
    decoded = np.array([-45.0] * 6 + [-20.0] * 4)
    changed = SlotChange.of(slot_change.choose(wanted, decoded)).curve
    assert changed[6:] == [0.0] * 4
    assert all(-27 <= change <= -22 for change in changed[:6])


def test_small_differences_change_nothing() -> None:
    wanted = np.random.default_rng(0).uniform(-21, -19, SLOTS)
    assert slot_change.choose(wanted, np.full(SLOTS, -20.0)) == NONE
    silent = slot_change.slot_levels(np.zeros((2, HOP), np.float32))
    assert slot_change.choose(silent, silent) == NONE


def test_levels_are_those_of_the_part_above_a_kilohertz() -> None:
    time = np.arange(HOP) / 48_000
    low, high = (
        slot_change.slot_levels(np.tile(np.sin(2 * np.pi * hertz * time), (2, 1)).astype(np.float32))[1:-1]
        for hertz in (200, 4000)
    )
    assert (high > -2).all()
    assert (low < high - 15).all()
    assert len(high) == HOP // SLOT - 2


@pytest.mark.parametrize(("first", "second"), [(-8.0, -20.0), (0.0, -50.0), (-30.0, -40.0)])
def test_the_treble_has_the_levels_of_the_sound(first: float, second: float) -> None:
    energies = np.full(2 * BANDS, -30 * UNIT)
    rng = np.random.default_rng(0)
    above = rng.standard_normal((2, HOP - BINS)) * 10 ** (-30 / 20)
    split = treble_levels.EDGES[1]
    above[:, :split] *= 10 ** (first / 20)
    above[:, split:] *= 10 ** (second / 20)
    found = treble_levels.amplitudes(treble_levels.choose(energies, above.astype(np.float32)), energies)
    for part, level in ((found[:, :split], first), (found[:, split:], second)):
        assert 20 * np.log10(part.mean()) == pytest.approx(-30 + level, abs=2)


def test_nothing_is_above_silent_bands() -> None:
    energies = np.full(2 * BANDS, -85 * UNIT)
    for token in (0, 500, ENTRIES - 1):
        assert not treble_levels.amplitudes(token, energies).any()


def test_the_positions_of_these_tokens_are_no_others() -> None:
    others = {*shape_positions(64), *fine_positions(64)}
    assert not {CHANGE, TREBLE} & others
    assert len(others) == 64 - 4 - 2
