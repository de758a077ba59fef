"""Limiter: samples below full scale are unchanged, and the output never exceeds it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime.dsp.limiter import LOOKAHEAD, Limiter


def noise(size: int, peak: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-peak, peak, (2, size)).astype(np.float32)


def limit(audio: np.ndarray, sizes: list[int]) -> np.ndarray:
    limiter, at, pieces = Limiter(48_000, 2), 0, []
    for size in [*sizes, audio.shape[1]]:
        pieces.append(limiter.process(audio[:, at : at + size]))
        at += size
    return np.concatenate(pieces, axis=1)


@given(sizes=st.lists(st.integers(0, 400), max_size=8))
def test_below_full_scale_it_is_a_delay_bit_for_bit(sizes: list[int]) -> None:
    x = noise(2000, 1.0)
    assert np.array_equal(limit(x, sizes)[:, LOOKAHEAD:], x[:, :-LOOKAHEAD])


@given(sizes=st.lists(st.integers(0, 400), max_size=8), loud=st.floats(1.01, 100), seed=st.integers(0, 9))
def test_the_output_never_exceeds_full_scale_whatever_the_chunks(sizes: list[int], loud: float, seed: int) -> None:
    x = noise(2000, 0.5, seed)
    x[:, 700:720] *= 2 * loud
    y = limit(x, sizes)
    assert np.abs(y).max() <= 1.0
    assert np.array_equal(y, limit(x, []))


def test_samples_before_the_lookahead_of_a_peak_and_after_its_release_are_unchanged() -> None:
    x = noise(80_000, 0.9)
    x[:, 1000] = 3.0
    y = limit(x, [])[:, LOOKAHEAD:]
    assert np.array_equal(y[:, : 1000 - LOOKAHEAD], x[:, : 1000 - LOOKAHEAD])
    assert np.array_equal(y[:, 70_000:], x[:, 70_000 : y.shape[1]])


def test_the_gain_comes_down_before_the_peak_without_a_step() -> None:
    x = np.full((2, 4000), 0.5, np.float32)
    x[:, 2000] = 4.0
    y = limit(x, [])[:, LOOKAHEAD:]
    gain = y / x[:, : y.shape[1]]
    assert gain.min() == 0.25
    assert np.abs(np.diff(gain, axis=1)).max() < 0.75 / LOOKAHEAD


def test_switched_off_it_still_delays() -> None:
    limiter, x = Limiter(48_000, 2), noise(1000, 5.0)
    limiter.on = False
    assert np.array_equal(limiter.process(x)[:, LOOKAHEAD:], x[:, :-LOOKAHEAD])
    limiter.on = True
    assert np.abs(limiter.process(x)).max() <= 1.0
