"""Energies of a start: whole numbers, and nothing beyond full scale; the order of shapes follows from them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.codicodec.start.band_levels import (
    BANDS,
    EDGES,
    FULL,
    HIGHEST,
    LOWEST,
    POWERS,
    UNIT,
    levels_of,
    powers_of,
    slot_levels,
)
from models.codicodec.start.block_order import GEOMETRIES, MOST_STAGES, STAGES
from models.codicodec.start.digit_layout import (
    ENERGIES,
    GRID,
    INDICES,
    LEVELS,
    MODES,
    SPLIT,
    from_latent,
    join_numbers,
    split_numbers,
    to_latent,
)
from models.codicodec.start.start_weights import StartWeights, random_weights


@cache
def weights() -> StartWeights:
    return random_weights(0)


def energies(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(LOWEST, HIGHEST + 1, (2, GRID, BANDS))


@given(st.integers(LOWEST, HIGHEST))
def test_a_power_has_the_level_that_it_was_made_of(level: int) -> None:
    assert levels_of(powers_of(np.array([level])))[0] == level


def test_powers_are_those_of_the_definition() -> None:
    levels = np.arange(LOWEST, LOWEST + len(POWERS))
    np.testing.assert_allclose(POWERS / 2.0**36, 10 ** (levels / UNIT / 10), rtol=5e-3)


def test_gains_begin_at_the_border_of_a_band_and_of_a_block_of_every_mode() -> None:
    assert SPLIT // GRID in EDGES
    for segments in MODES:
        assert SPLIT // segments in [first for _, first, _ in GEOMETRIES[segments].blocks]


@given(st.lists(st.integers(0, LEVELS - 1), min_size=ENERGIES, max_size=ENERGIES))
def test_no_digits_say_more_than_full_scale(digits: list[int]) -> None:
    decoded = weights().levels.decode(np.array(digits))
    assert decoded.dtype == np.int64
    assert slot_levels(decoded).max() <= FULL + 1


@given(st.integers(0, 99))
def test_energies_survive_their_digits_as_far_as_the_axes_reach(seed: int) -> None:
    digits = np.random.default_rng(seed).integers(4, 7, ENERGIES)  # none is clipped
    book = weights().levels
    decoded = book.decode(digits)
    again = book.decode(np.round(book.encode(decoded.astype(np.float32))).astype(np.int64))
    assert np.abs(again - decoded).mean() < UNIT


@given(st.sampled_from(MODES), st.integers(0, 99))
def test_the_order_has_each_stage_after_the_stage_before_it(segments: int, seed: int) -> None:
    mode = GEOMETRIES[segments]
    order = mode.order(mode.powers(energies(seed)), weights().priorities[segments])
    assert len(set(order.tolist())) == INDICES
    seen: set[int] = set()
    for place in order.tolist():
        block, stage = divmod(place, MOST_STAGES)
        assert stage < STAGES[mode.blocks[block % len(mode.blocks)][0]]
        assert stage == 0 or place - 1 in seen
        seen.add(place)


@given(st.lists(st.floats(-0.42, 0.42), min_size=256, max_size=256), st.integers(0, 99))
def test_latents_are_the_codes_and_round_to_their_digits(fractions: list[float], seed: int) -> None:
    digits = np.random.default_rng(seed).integers(0, LEVELS, 256)
    z = to_latent(digits + np.array(fractions))
    assert np.abs(z).max() < 1
    assert np.array_equal(np.round(z.reshape(-1) * 5).astype(int) + 5, digits)
    np.testing.assert_allclose(from_latent(z), digits + np.array(fractions), atol=1e-5)
    assert np.array_equal(from_latent((digits.reshape(64, 4) - 5) / 5), digits), "rounded codes have no fraction"


@pytest.mark.parametrize("number", [0, 120, 1330])
def test_a_number_is_three_digits(number: int) -> None:
    assert join_numbers(split_numbers(np.array([number]))).tolist() == [number]
