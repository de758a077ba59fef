"""Parts of swift that need no books: transform, gain control, layout, order of tokens."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.swift import energies, gain_control, mdct
from models.swift.allocation import order
from models.swift.analysis import Analyser, mid_side
from models.swift.frame_layout import (
    BAND_EDGES,
    BANDS,
    BINS,
    BLOCKS,
    CHANGE,
    HOP,
    PAIRS,
    SHAPES,
    SPLIT,
    TOKENS,
    TREBLE,
    fine_positions,
    shape_positions,
)
from models.swift.gain_control import LEVELS, RELEASES, SLOTS, VALUES, AttackFinder, curve_of, gains_of, token_of

NOISE = np.random.default_rng(0).standard_normal((2, 6 * HOP)).astype(np.float32)


def test_bands_and_blocks_lie_side_by_side_and_meet_at_the_cut() -> None:
    assert BAND_EDGES[0] == 0
    assert len(BAND_EDGES) == BANDS + 1
    assert all(low < high for low, high in pairwise(BAND_EDGES))
    assert all(one[1] == other[0] for one, other in pairwise(BLOCKS))
    assert SPLIT in BAND_EDGES
    assert SPLIT in [low for low, _ in BLOCKS]
    assert BLOCKS[-1][1] <= BINS <= HOP


def test_every_position_of_a_frame_has_one_purpose() -> None:
    for tokens in range(8, TOKENS + 1):
        details = [position for position in (CHANGE, TREBLE) if position < tokens]
        found = [*range(4), *shape_positions(tokens), *fine_positions(tokens), *details]
        assert sorted(found) == list(range(tokens))
    assert len(shape_positions(TOKENS)) == SHAPES <= len(PAIRS)


def test_the_transform_is_the_one_of_its_definition() -> None:
    time, bin = np.arange(2 * HOP)[:, None] + 0.5, np.arange(HOP) + 0.5
    matrix = np.sin(np.pi * time / (2 * HOP)) * np.cos(np.pi / HOP * (time + HOP / 2) * bin) * (2 / HOP) ** 0.5
    expected = NOISE[:, : 2 * HOP] @ matrix
    np.testing.assert_allclose(mdct.forward(NOISE[:, : 2 * HOP]), expected, atol=1e-4)
    first, second = mdct.inverse(expected.astype(np.float32))
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), expected @ matrix.T, atol=1e-4)


def there_and_back(audio: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Return audio through the transform, divided by the gains before and multiplied after."""
    hops = np.split(np.pad(audio / gains, ((0, 0), (HOP, 0))), audio.shape[1] // HOP + 1, axis=1)
    pairs = [mdct.inverse(mdct.forward(np.concatenate(pair, axis=1))) for pair in pairwise(hops)]
    sums = [second + after for (_, second), (after, _) in pairwise(pairs)]
    return np.concatenate(sums, axis=1) * gains[:, : len(sums) * HOP]


@pytest.mark.parametrize("with_gain", [False, True])
def test_overlapped_frames_are_the_sound_again(with_gain: bool) -> None:
    token, before, parts = token_of(3, 5, 0), 0.0, []
    for _ in range(6):
        curve = curve_of(token if with_gain else gain_control.NEUTRAL, before)
        gains = gains_of(curve, before)
        parts.append(np.ones(HOP, np.float32) if gains is None else gains)
        before = curve[-1]
    found = there_and_back(NOISE, np.concatenate(parts)[None])
    np.testing.assert_allclose(found, NOISE[:, : found.shape[1]], atol=2e-4)


@given(st.integers(-1, SLOTS - 1), st.integers(0, len(LEVELS) - 1), st.integers(0, len(RELEASES) - 1), st.floats(0, 60))
def test_an_attack_token_means_its_position_level_and_release(
    position: int, level: int, release: int, start: float
) -> None:
    token = token_of(position, level, release)
    assert 0 <= token < VALUES
    curve = curve_of(token, start)
    assert 0 <= min(curve) <= max(curve) <= gain_control.MOST
    for slot, (before, after) in enumerate(pairwise([start, *curve])):
        fallen = max(0.0, before - RELEASES[release])
        assert after == (min(fallen + LEVELS[level], gain_control.MOST) if slot == position else fallen)


def test_tokens_beyond_those_in_use_count_as_the_last() -> None:
    assert curve_of(1023, 0.0) == curve_of(VALUES - 1, 0.0)


def test_a_hit_after_silence_is_an_attack_at_its_slot() -> None:
    high = np.zeros((2, HOP), np.float32)
    high[:, 5 * gain_control.SLOT :] = 0.3 * NOISE[:, : HOP - 5 * gain_control.SLOT]
    finder = AttackFinder()
    assert finder.choose(np.zeros_like(high), 0.0) == gain_control.NEUTRAL
    attack, _ = divmod(finder.choose(high, 0.0), len(RELEASES))
    assert divmod(attack - 1, len(LEVELS)) == (5, len(LEVELS) - 1)


def test_steady_noise_has_no_attack() -> None:
    finder = AttackFinder()
    tokens = [finder.choose(0.1 * NOISE[:, at : at + HOP], 0.0) for at in range(0, NOISE.shape[1], HOP)]
    assert tokens[1:] == [gain_control.NEUTRAL] * 5


def test_the_gain_before_a_hit_is_one() -> None:
    gains = gains_of(curve_of(token_of(5, 4, 1), 0.0), 0.0)
    assert gains is not None
    assert (gains[: 5 * gain_control.SLOT] == 1).all()
    assert gains[5 * gain_control.SLOT + gain_control.RISE] == pytest.approx(10 ** (LEVELS[4] / 20), rel=1e-3)


def test_analysis_is_late_by_the_high_pass_only() -> None:
    """Coefficients of a stream are those of the whole sound, shifted."""
    analyser = Analyser()
    steady = 0.1 * NOISE
    found = [analyser.step(hop).coefficients for hop in np.split(steady, 6, axis=1)]
    late = np.pad(mid_side(steady), ((0, 0), (gain_control.HALF_TAPS, 0)))
    for frame in (2, 3, 4, 5):
        expected = mdct.forward(late[:, (frame - 1) * HOP : (frame + 1) * HOP])[:, :BINS]
        np.testing.assert_allclose(found[frame][:, :SPLIT], expected[:, :SPLIT], atol=1e-5)


def test_energies_are_decibels_of_the_mean_square() -> None:
    coefficients = np.full((2, BINS), 0.1, np.float32)
    coefficients[1] = 0
    found = energies.measure(coefficients)
    np.testing.assert_allclose(found[:BANDS], -20 * energies.UNIT, atol=0.1)
    np.testing.assert_allclose(found[BANDS:], energies.LOWEST, atol=0.1)
    amplitudes = energies.amplitudes(np.round(found).astype(np.int64))
    np.testing.assert_allclose(amplitudes[0], 0.1, rtol=1e-3)
    assert not amplitudes[1].any()


@given(st.integers(0, 2**31))
def test_the_order_holds_each_pair_once_and_no_stage_before_the_one_it_refines(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth: dict[tuple[int, int, int], int] = {}
    for pair in PAIRS:
        above = worth.get((pair.channel, pair.block, pair.stage - 1), 400)
        worth[pair.channel, pair.block, pair.stage] = above - int(rng.integers(1, 60))
    priorities = np.array(list(worth.values()), np.int64)
    found = [PAIRS[place] for place in order(priorities, rng.integers(-1360, 480, 2 * BANDS)).tolist()]
    assert len(set(found)) == len(found) == SHAPES
    seen: set[tuple[int, int, int]] = set()
    for pair in found:
        assert pair.stage == 0 or (pair.channel, pair.block, pair.stage - 1) in seen
        seen.add((pair.channel, pair.block, pair.stage))


def test_the_order_is_made_of_whole_numbers() -> None:
    """A golden order: other machines, libraries and numbers of threads must find it too."""
    rng = np.random.RandomState(3)
    priorities = np.array([-60 * pair.stage for pair in PAIRS], np.int64) - rng.randint(0, 60, len(PAIRS))
    found = order(priorities, rng.randint(-1360, 480, 2 * BANDS).astype(np.int64))
    assert found[-8:].tolist() == [55, 125, 325, 68, 49, 259, 126, 139]
