"""Corrections of the level in time on the continuous path."""

from __future__ import annotations

from functools import cache

import numpy as np

from models.codec import Audio
from models.codicodec.start.digit_layout import ENVELOPE_DIGITS, HOP, OVERLAP, REACH, SUPPORT, Codes, digits_of
from models.codicodec.start.frame_decoder import decode
from models.codicodec.start.frame_encoder import FrameEncoder
from models.codicodec.start.gain_curves import ENVELOPE_STEP, SLOT, SLOTS
from models.codicodec.start.mean_synthesis import MeanSynthesis
from models.codicodec.start.start_weights import random_weights


def bursts() -> Audio:
    """Return bursts of noise in silence."""
    rng = np.random.default_rng(0)
    audio = np.zeros((2, 4 * HOP + OVERLAP), np.float32)
    for at in (5000, 14_000, 22_500):
        audio[:, at : at + 1500] = 0.1 * rng.standard_normal(1500)
    return audio


@cache
def encoded() -> tuple[Codes, ...]:
    encoder = FrameEncoder(random_weights(0))
    padded = np.pad(bursts(), ((0, 0), (REACH, REACH)))
    return tuple(encoder.encode(padded[:, at * HOP : at * HOP + SUPPORT + 2 * REACH]) for at in range(4))


def levels(audio: Audio) -> np.ndarray:
    """Return the level of each slot in dB."""
    return 10 * np.log10(np.square(audio).sum(0).reshape(-1, SLOT).mean(1) + 1e-7)


def heard(codes: list[Codes]) -> Audio:
    synthesis = MeanSynthesis(None)
    return np.concatenate([synthesis.add(decode(random_weights(0), each)).mean for each in codes], axis=1)


def without_envelope(codes: Codes) -> Codes:
    changed = codes.copy()
    changed[ENVELOPE_DIGITS] = np.round(changed[ENVELOPE_DIGITS])
    return changed


def test_corrections_bring_the_level_in_time_nearer() -> None:
    original = levels(bursts()[:, : 4 * HOP])
    wrong = [
        np.abs(levels(heard(codes)) - original).mean()
        for codes in (list(encoded()), [without_envelope(each) for each in encoded()])
    ]
    assert wrong[0] < 0.7 * wrong[1]


def test_digits_say_nothing_of_corrections() -> None:
    for codes in encoded():
        sound = decode(random_weights(0), digits_of(codes).astype(float))
        assert not sound.envelope.any()
        assert np.array_equal(digits_of(codes), digits_of(without_envelope(codes)))


def test_half_a_fraction_is_half_the_correction() -> None:
    codes = without_envelope(encoded()[1])
    for fraction in (0.4, 0.2):
        codes[ENVELOPE_DIGITS] = np.round(codes[ENVELOPE_DIGITS]) + fraction
        np.testing.assert_allclose(decode(random_weights(0), codes).envelope, ENVELOPE_STEP * fraction)


def test_there_is_a_digit_for_each_slot() -> None:
    assert len(set(ENVELOPE_DIGITS.tolist())) == SLOTS
