"""Loudness against the reference values of the standards, and its invariants."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.dsp.loudness import SILENCE, STAGES, Loudness, stages_at

RATES = (16_000, 32_000, 44_100, 48_000, 96_000, 192_000)


def sine(seconds: float, db: float, *, hz: float = 997.0, rate: int = 48_000, channels: int = 2) -> np.ndarray:
    """Return a sine in the first of two channels, or in both; 0 dB is full scale."""
    wave = 10 ** (db / 20) * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)
    return np.stack([wave if c < channels else 0 * wave for c in range(2)]).astype(np.float32)


def measured(audio: np.ndarray, rate: int = 48_000, block: int = 1000) -> Loudness:
    meter = Loudness(rate)
    for start in range(0, audio.shape[1], block):
        meter.add(audio[:, start : start + block])
    return meter


def test_at_48_khz_the_filters_are_those_of_the_standard() -> None:
    np.testing.assert_allclose(stages_at(48_000), STAGES, rtol=1e-9)


@pytest.mark.parametrize("rate", RATES)
def test_a_full_scale_sine_of_997_hz_in_one_channel_is_minus_3_01(rate: int) -> None:
    """ITU-R BS.1770-5, annex 1."""
    meter = measured(sine(4, 0.0, rate=rate, channels=1), rate)
    assert meter.integrated == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("db", [-23.0, -33.0])
def test_a_stereo_sine_of_1_khz_is_as_loud_as_its_peak_says(db: float) -> None:
    """EBU Tech 3341, cases 1 and 2: momentary, short-term and integrated within 0.1 LU."""
    meter = measured(sine(20, db, hz=1000.0))
    for value in (meter.momentary, meter.short_term, meter.integrated):
        assert value == pytest.approx(db, abs=0.1)


def test_passages_far_below_the_rest_do_not_count() -> None:
    """EBU Tech 3341, case 3."""
    meter = Loudness(48_000, seconds=80.0)
    for seconds, db in [(10, -36.0), (60, -23.0), (10, -36.0)]:
        meter.add(sine(seconds, db, hz=1000.0))
    assert meter.integrated == pytest.approx(-23.0, abs=0.1)


def test_blocks_of_any_size_give_the_same() -> None:
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 100_000)).astype(np.float32)
    values = [measured(audio, block=block).integrated for block in (100_000, 4801, 37)]
    assert values == pytest.approx([values[0]] * 3, abs=1e-9)


def test_twice_the_amplitude_is_6_02_louder() -> None:
    audio = np.random.default_rng(0).uniform(-0.4, 0.4, (2, 96_000)).astype(np.float32)
    assert measured(2 * audio).integrated - measured(audio).integrated == pytest.approx(6.0206, abs=1e-3)


def test_silence_has_a_floor() -> None:
    meter = measured(np.zeros((2, 48_000), np.float32))
    assert meter.momentary == meter.short_term == meter.integrated == Loudness(48_000).short_term == SILENCE
