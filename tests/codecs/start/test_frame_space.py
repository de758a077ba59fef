"""Frames as an orthonormal space, and their unfolding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codicodec.start import frame_space
from models.codicodec.start.digit_layout import GRID, HOP, MODES, OVERLAP, SUPPORT
from models.codicodec.start.frame_decoder import FrameSound
from models.codicodec.start.frame_space import mid_side
from models.codicodec.start.gain_curves import SLOTS
from models.codicodec.start.mean_synthesis import MeanSynthesis


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def sound_of(low: np.ndarray, high: np.ndarray, curve: np.ndarray) -> FrameSound:
    return FrameSound(
        low, high, curve, [], np.zeros(SLOTS), np.zeros((2, GRID, HOP // GRID), np.float32), np.zeros(GRID)
    )


@pytest.mark.parametrize("segments", [*MODES, GRID])
def test_every_mode_is_an_orthonormal_basis_of_a_frame(segments: int) -> None:
    frame = drawn(2, HOP)
    coefficients = frame_space.forward(frame, segments)
    assert coefficients.shape == (2, segments, HOP // segments)
    assert np.square(coefficients).sum() == pytest.approx(np.square(frame).sum(), rel=1e-5)
    np.testing.assert_allclose(frame_space.inverse(coefficients), frame, atol=1e-5)


@settings(max_examples=5)
@given(st.integers(0, 99))
def test_frames_that_are_folded_unfold_to_the_sound_whatever_the_gains(seed: int) -> None:
    audio = drawn(2, 4 * HOP, seed=seed)
    late = np.pad(audio, ((0, 0), (OVERLAP, 0)))
    curves = 10 * drawn(4, SLOTS, seed=seed)
    synthesis, plain, heard = MeanSynthesis(None), MeanSynthesis(None), []
    silent = np.zeros((2, HOP), np.float32)
    gains = [plain.add(sound_of(silent, silent, curve)).gains for curve in curves]
    whole = np.concatenate([*gains, plain.end().gains])
    for number, curve in enumerate(curves):
        support = mid_side(late[:, number * HOP : number * HOP + SUPPORT])
        divided = frame_space.fold(support / whole[number * HOP : number * HOP + SUPPORT])
        heard.append(synthesis.add(sound_of(silent, divided, curve)).mean)
    found = np.concatenate(heard, axis=1)[:, OVERLAP:]
    np.testing.assert_allclose(found, audio[:, : found.shape[1]], atol=1e-3)


def test_a_sine_is_a_few_coefficients_of_the_longest_mode() -> None:
    wave = np.sin(2 * np.pi * 1000 * np.arange(SUPPORT) / 48000).astype(np.float32)
    power = np.sort(np.square(frame_space.forward(frame_space.fold(wave[None]), 1)).reshape(-1))[::-1]
    assert power[:13].sum() > 0.9 * power.sum()
