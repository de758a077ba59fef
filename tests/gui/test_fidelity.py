"""Loss and stereo meters: the judge's measures on the sound of the window, and what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gui.model.fidelity import ATTACKS_S, Fidelity, FidelityWatch, measure
from gui.plots.spectrum import FALL_DB_S, HOLD_S, PeakHold
from gui.plots.stereo_meter import StereoImage
from gui.slots.loss_meter import ROWS, LossMeter
from gui.window import Window
from tests.support.gui_rig import FakeClient, play

RATE = 48_000


def chord(rate: int = RATE) -> np.ndarray:
    """Return partials of a low string with a hit every quarter of a second."""
    t = np.arange(round(ATTACKS_S * rate)) / rate
    sound = sum(np.sin(2 * np.pi * f * t) / f for f in np.arange(110.0, 6000.0, 110.0)) * 20
    noise = np.random.default_rng(0).normal(size=len(t))
    return (0.1 * (sound + noise * np.exp(-40 * (t % 0.25)))).astype(np.float32)


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_the_same_sound_keeps_all_at_any_rate_and_level(rate: int) -> None:
    sound = chord(rate)
    found = measure(sound, (0.3 * sound).astype(np.float32), rate)
    assert found.tones == pytest.approx((1.0, 1.0, 1.0), abs=0.02)
    assert found.pre_echo == pytest.approx(0.0, abs=0.1)
    assert found.smear == 0


def test_noise_in_place_of_tones_keeps_little_and_a_blur_smears_attacks() -> None:
    sound = chord()
    noise = np.random.default_rng(1).normal(size=len(sound)).astype(np.float32)
    assert max(kept for kept in measure(sound, noise, RATE).tones if kept is not None) < 0.2
    late = np.mean([np.roll(sound, 48 * ms) for ms in range(-12, 13, 4)], 0).astype(np.float32)
    blurred = measure(sound, late, RATE)
    assert blurred.pre_echo is not None
    assert blurred.pre_echo > 3


def test_silence_has_nothing_to_measure() -> None:
    silence = np.zeros(round(ATTACKS_S * RATE), np.float32)
    assert measure(silence, silence, RATE) == measure(chord(), silence, RATE) == Fidelity()


def test_another_path_is_measured_anew_in_a_thread() -> None:
    sound, asked = chord(), []

    def read(path: str, seconds: float) -> np.ndarray:
        asked.append(path)
        return sound

    watch = FidelityWatch()
    try:
        assert watch.step(read, "a", RATE, 0.0) == Fidelity()
        assert watch._running is not None
        watch._running.result(30)
        assert watch.step(read, "a", RATE, 0.1).tones == pytest.approx((1.0, 1.0, 1.0), abs=0.02)
        assert asked == ["dry", "a"]
        assert watch.step(read, "b", RATE, 0.2) == Fidelity()
    finally:
        watch.close()


def test_the_meter_has_a_number_for_each_row_and_a_dash_where_there_is_none(window: Window) -> None:
    meter = window.view.loss
    meter.show_fidelity(Fidelity((0.83, None, 0.4), 6.2, 2.0), "b")
    assert [text for _, text in meter.rows()] == ["83% kept", "—", "40% kept", "+2 ms +6 dB"]
    assert "Tones low 83% kept" in meter.accessibleDescription()
    assert len(LossMeter().rows()) == len(ROWS)


def test_blind_hides_the_loss(window: Window, client: FakeClient) -> None:
    play(window, client, 1.0)
    assert "listening" in window.view.loss.message
    window.view.strip.blind.setChecked(True)
    window.tick()
    assert window.view.loss.message == "hidden while blind"
    assert window.view.panels["loss"].title.text() == "KEPT"


@given(st.floats(-1, 1), st.integers(0, 99))
def test_correlation_and_width_of_a_mix_are_those_of_its_parts(share: float, seed: int) -> None:
    """Left is noise; right is `share` of it and independent noise of the rest of the power."""
    random = np.random.default_rng(seed)
    left, other = random.normal(size=(2, 4 * RATE // 10)) * 0.1
    right = share * left + np.sqrt(1 - share**2) * other
    image = StereoImage(RATE).step(np.stack([left, right]).astype(np.float32))
    assert image is not None
    assert image == pytest.approx((share, (1 - share) / 2), abs=0.05)


def test_silence_has_no_image_and_mono_is_not_wide() -> None:
    assert StereoImage(RATE).step(np.zeros((2, 480), np.float32)) is None
    assert StereoImage(RATE).step(np.full((1, 480), 0.1, np.float32)) == (1.0, 0.0)


@given(st.lists(st.floats(-90, 0), min_size=1, max_size=20))
def test_a_held_peak_is_never_below_the_spectrum_nor_lower_than_its_fall(levels: list[float]) -> None:
    held, now, highest = PeakHold(), 0.0, -np.inf
    for level in levels:
        now += 0.5
        peak = float(held.step(np.array([[level]]), now)[0, 0])
        highest = max(highest, level)
        assert level <= peak <= highest
    fallen = [float(held.step(np.array([[-200.0]]), now + s)[0, 0]) for s in np.arange(0.1, HOLD_S + 4, 0.1)]
    assert max(-np.diff([peak, *fallen])) == pytest.approx(0.1 * FALL_DB_S)
