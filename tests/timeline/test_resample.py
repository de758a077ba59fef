"""Streaming resampler: exact grid, independent of chunks, latency of half its kernel."""

from __future__ import annotations

import time

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from realtime.dsp.resampler import PASSBAND, STOPBAND_DB, TABLE, Resampler, kernel
from tests.support.systems import needs_pace

PAIRS = [
    *((44_100, 48_000), (48_000, 44_100), (96_000, 48_000), (48_000, 96_000), (8_000, 48_000), (192_000, 48_000)),
    (44_101, 48_000),
]


def sine(rate: int, hz: float, size: int) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(size) / rate).astype(np.float32)[None]


def error_db(resampled: np.ndarray, rate: int, hz: float) -> float:
    ideal = sine(rate, hz, resampled.shape[1])
    return float(20 * np.log10(np.abs(resampled - ideal)[:, 2000:].max()))


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("part", [0.01, 0.5, PASSBAND])
def test_output_sample_m_is_at_input_time_m_over_the_ratio(pair: tuple[int, int], part: float) -> None:
    hz = part * min(pair) / 2
    out = Resampler(*pair, 1).process(sine(pair[0], hz, pair[0]))
    assert error_db(out, pair[1], hz) < -STOPBAND_DB + 4


@pytest.mark.parametrize("pair", [p for p in PAIRS if p[0] > p[1]], ids=str)
def test_frequencies_above_the_lower_nyquist_frequency_are_removed(pair: tuple[int, int]) -> None:
    hz = (2 - PASSBAND + 0.01) * pair[1] / 2
    if hz < pair[0] / 2:
        out = Resampler(*pair, 1).process(sine(pair[0], hz, pair[0]))
        assert 20 * np.log10(np.abs(out[:, 2000:]).max()) < -STOPBAND_DB + 4


@pytest.mark.parametrize("pair", [(191_999, 48_000), (44_101, 48_000), (48_000, 44_099), (8_001, 192_000)], ids=str)
@pytest.mark.parametrize("part", [0.01, 0.5, PASSBAND])
def test_odd_rates_need_a_small_table_and_stay_below_90_db(pair: tuple[int, int], part: float) -> None:
    hz = part * min(pair) / 2
    resampler = Resampler(*pair, 1)
    assert resampler.kernel.size <= max(TABLE, 513 * 2 * resampler.half)
    assert error_db(resampler.process(sine(pair[0], hz, pair[0])), pair[1], hz) < -90


@needs_pace
def test_the_table_of_any_rates_that_can_be_played_is_made_in_a_moment() -> None:
    kernel.cache_clear()
    started = time.perf_counter()
    worst = Resampler(191_999, 8_000, 2)
    assert time.perf_counter() - started < 1
    assert worst.kernel.nbytes < 8e6


@given(sizes=st.lists(st.integers(0, 700), max_size=12), pair=st.sampled_from(PAIRS))
def test_chunks_make_no_difference(sizes: list[int], pair: tuple[int, int]) -> None:
    x = np.random.default_rng(0).standard_normal((2, sum(sizes))).astype(np.float32)
    streamed, at = Resampler(*pair, 2), 0
    pieces = [np.zeros((2, 0), np.float32)]
    for size in sizes:
        pieces.append(streamed.process(x[:, at : at + size]))
        at += size
    assert np.array_equal(np.concatenate(pieces, axis=1), Resampler(*pair, 2).process(x))


@given(size=st.integers(1, 5000), pair=st.sampled_from(PAIRS))
def test_an_output_waits_for_no_more_than_the_declared_latency(size: int, pair: tuple[int, int]) -> None:
    resampler = Resampler(*pair, 1)
    made = resampler.process(np.zeros((1, size), np.float32)).shape[1]
    due = max(0, size - resampler.latency) * pair[1] / pair[0]
    assert due <= made < due + 1


def test_reset_restarts_at_sample_0() -> None:
    x = np.random.default_rng(0).standard_normal((2, 999)).astype(np.float32)
    resampler = Resampler(44_100, 48_000, 2)
    first = resampler.process(x)
    resampler.reset()
    assert np.array_equal(resampler.process(x), first)


def test_soxr_without_delay_is_off_the_grid_so_it_is_not_used() -> None:
    """soxr from 96 to 48 kHz: 1.5 to 2 samples late in `vr` mode, else 15 ms or more."""
    hz, x = 440.0, sine(96_000, 440.0, 96_000)
    stream = soxr.ResampleStream(96_000, 48_000, 1, dtype="float32", quality="HQ", vr=True)
    out = stream.resample_chunk(np.ascontiguousarray(x.T)).T
    phase = np.angle(np.vdot(np.exp(2j * np.pi * hz * np.arange(2000, 42_000) / 48_000), out[0, 2000:42_000]) * 1j)
    assert 1.5 < abs(phase) / (2 * np.pi * hz / 48_000) < 2.0
    exact = soxr.ResampleStream(96_000, 48_000, 1, dtype="float32", quality="HQ")
    assert 24_000 - len(exact.resample_chunk(np.ascontiguousarray(x.T[:48_000]))) > 0.015 * 48_000
