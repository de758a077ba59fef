"""The sequence that measures a device's round trip, without a device."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.drivers.portaudio.loopback import ORDER, find_sequence, sequence


def test_the_sequence_correlates_only_with_itself() -> None:
    played = sequence()
    circular = np.fft.irfft(np.abs(np.fft.rfft(played)) ** 2, len(played))
    assert len(played) == 2**ORDER - 1
    assert circular[0] == pytest.approx(len(played))
    assert np.allclose(circular[1:], -1, atol=0.01)


def test_a_faint_inverted_copy_in_noise_is_found_to_the_sample() -> None:
    recorded = np.random.default_rng(0).standard_normal((2, 40_000)).astype(np.float32) * 0.1
    recorded[1, 12_345 : 12_345 + 2**ORDER - 1] -= 0.01 * sequence()
    found = find_sequence(sequence(), recorded)
    assert found
    assert found.samples == 12_345
    assert found.level_db == pytest.approx(-40, abs=1)


def test_an_absent_sequence_is_not_found() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 40_000)).astype(np.float32)
    assert find_sequence(sequence(), noise) is None
    assert find_sequence(sequence(), np.zeros((2, 40_000), np.float32)) is None
