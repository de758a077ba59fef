"""The judge's measures, on made-up sounds with known damage."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from models.training.judge import Scores, judge, mean_scores
from models.training.judge.attacks import find_attacks

RATE, SECONDS = 48000, 6
PARTIALS = ((110, 220, 330, 440), (660, 880, 1100, 1760), (2200, 3300, 4400, 6600))  # Hz, in the three bands
WIDTH = 60.0  # Hz of a band of noise in place of a partial
Mono = npt.NDArray[np.float64]


def noise(seed: int = 0) -> Mono:
    return np.random.default_rng(seed).standard_normal(SECONDS * RATE)


def band_of_noise(low: float, high: float, seed: int = 0) -> Mono:
    """Return noise of root mean square 1 between two frequencies."""
    spectrum = np.fft.rfft(noise(seed))
    hertz = np.fft.rfftfreq(SECONDS * RATE, 1 / RATE)
    spectrum[(hertz < low) | (hertz > high)] = 0
    found = np.fft.irfft(spectrum)
    return found / found.std()


def chord(noisy: tuple[int, ...] = (), gain: float = 1.0) -> Mono:
    """Return twelve partials with a floor of noise; of the bands in `noisy`, bands of noise of the same level.

    `gain` is that of every other partial.
    """
    time = np.arange(SECONDS * RATE) / RATE
    out = 1e-5 * noise(1)
    for band, partials in enumerate(PARTIALS):
        for number, hertz in enumerate(partials):
            if band in noisy:
                part = band_of_noise(hertz - WIDTH, hertz + WIDTH, int(hertz)) / np.sqrt(2)
            else:
                part = np.sin(2 * np.pi * hertz * time)
            out = out + 0.02 * (gain if number % 2 else 1.0) * part
    return out


def hits(echo: float = 0.0) -> Mono:
    """Return a decaying burst of noise every 300 ms; `echo` is the amplitude of noise in the 20 ms before each."""
    out = 1e-4 * noise(2)
    burst = 0.3 * noise(3)[: RATE // 5] * np.exp(-np.arange(RATE // 5) / (0.03 * RATE))
    before = RATE // 50
    for at in range(RATE // 5, SECONDS * RATE - RATE // 4, 3 * RATE // 10):
        out[at : at + len(burst)] += burst
        out[at - before : at] += echo * noise(4)[:before]
    return out


def wide(side: float = 1.0) -> npt.NDArray[np.float64]:
    """Return [2, n]: `hits` in the middle, slowly moving noise at the sides with this gain."""
    sway = np.sin(2 * np.pi * 0.7 * np.arange(SECONDS * RATE) / RATE)
    mid, out = hits(), 0.05 * noise(5) * (1 + sway)
    return np.stack([mid + side * out, mid - side * out])


def both(mono: Mono) -> npt.NDArray[np.float64]:
    return np.stack([mono, mono])


def moved(before: Scores, after: Scores, by: float) -> set[str]:
    """Return the names of the measures that differ by more than this."""
    a, b = before.as_dict(), after.as_dict()
    return {name for name in a if abs((a[name] or 0.0) - (b[name] or 0.0)) > by}


def test_an_unchanged_sound_has_the_best_values() -> None:
    found = judge(both(chord()), both(chord()))
    assert [found.tones_low, found.tones_mid, found.tones_high] == pytest.approx([1, 1, 1])
    assert [found.lines_low, found.lines_mid, found.lines_high] == pytest.approx([1, 1, 1])
    found = judge(wide(), wide())
    assert (found.pre_echo, found.coherence, found.side, found.delay) == (0, 0, 0, 0)
    assert found.rise == found.reference_rise
    assert found.envelope == pytest.approx(1)
    assert found.attacks == 19


@pytest.mark.parametrize("band", [0, 1, 2])
def test_noise_in_place_of_tones_lowers_the_tones_of_that_band_only(band: int) -> None:
    before, after = judge(both(chord()), both(chord())), judge(both(chord()), both(chord((band,))))
    name = ("low", "mid", "high")[band]
    score = after.as_dict()[f"tones_{name}"]
    assert score is not None
    assert score < 0.1
    assert moved(before, after, 0.05) - {"envelope", "delay", "level"} == {f"tones_{name}", f"lines_{name}"}


def test_noise_too_narrow_for_tones_to_see_lowers_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "WIDTH", 20.0)
    found = judge(both(chord()), both(chord((1,))))
    assert found.tones_mid is not None
    assert found.lines_mid is not None
    assert found.lines_mid < found.tones_mid - 0.15


def test_noise_over_the_whole_band_leaves_no_tones() -> None:
    found = judge(both(chord()), both(0.05 * noise(7)))
    assert [found.tones_low, found.tones_mid, found.tones_high] == pytest.approx([0, 0, 0], abs=0.06)


def test_faint_partials_count_as_tones_but_not_as_lines() -> None:
    found = judge(both(chord()), both(chord(gain=0.1)))
    assert found.tones_mid is not None
    assert found.lines_mid is not None
    assert found.tones_mid > 0.75
    assert found.lines_mid < 0.6


def test_noise_before_hits_moves_the_pre_echo_by_its_level() -> None:
    before, quiet, loud = (judge(both(hits()), both(hits(echo))) for echo in (0.0, 0.01, 0.1))
    assert before.pre_echo == 0
    assert quiet.pre_echo is not None
    assert loud.pre_echo is not None
    assert loud.pre_echo - quiet.pre_echo == pytest.approx(20, abs=2)
    assert moved(before, quiet, 0.05) == {"pre_echo"}


def test_smeared_hits_rise_later() -> None:
    kernel = np.hanning(RATE // 20)
    envelope = np.convolve(hits() ** 2, kernel / kernel.sum(), "same")
    smeared = np.sqrt(envelope) * noise(8)
    found = judge(both(hits()), both(smeared))
    assert found.rise is not None
    assert found.reference_rise is not None
    assert found.rise > found.reference_rise + 10


def test_a_narrower_image_moves_the_side_level_and_coherence_only() -> None:
    before, after = judge(wide(), wide()), judge(wide(), wide(0.5))
    assert after.side == pytest.approx(-6, abs=0.1)
    assert after.coherence is not None
    assert after.coherence > 0.02
    assert moved(before, after, 0.02) == {"side", "coherence", "level"}


def test_unlike_channels_in_place_of_like_ones_move_the_coherence() -> None:
    like = np.stack([noise(9) + 0.2 * noise(10), noise(9) - 0.2 * noise(10)])
    found = judge(like, np.stack([noise(11), noise(12)]))
    assert found.coherence is not None
    assert found.coherence > 0.5


def test_swapped_channels_of_unequal_level_move_no_side_level() -> None:
    found = judge(wide() * [[1.0], [0.5]], (wide() * [[1.0], [0.5]])[::-1])
    assert found.side == pytest.approx(0, abs=1e-9)


def test_a_mono_original_has_no_coherence_and_its_side_counts_from_30_db_down() -> None:
    sided = both(noise(13)) + 0.1 * np.stack([noise(14), -noise(14)])
    found = judge(both(noise(13)), sided)
    assert found.coherence is None
    assert found.side == pytest.approx(10, abs=0.2)


def test_a_flattened_envelope_lowers_its_correlation() -> None:
    sway = 1.1 + np.sin(2 * np.pi * 3 * np.arange(SECONDS * RATE) / RATE)
    moving = sway * noise(15)
    kept, lost = (judge(both(moving), both(other)).envelope for other in (sway * noise(16), noise(16)))
    assert kept is not None
    assert lost is not None
    assert kept > 0.6
    assert lost < 0.1


@pytest.mark.parametrize("delay", [-720, 1, 2400])  # whole milliseconds: attacks are measured in steps of 1 ms
def test_a_delay_and_a_gain_move_nothing(delay: int) -> None:
    sound = wide() + both(chord())
    other = 0.3 * np.roll(sound, delay, axis=1)
    found = judge(sound, other)
    assert found.delay == delay
    assert found.level == pytest.approx(20 * np.log10(0.3), abs=0.2)
    assert moved(judge(sound, sound), found, 0.01) <= {"delay", "level"}


def test_too_few_peaks_or_attacks_are_no_score() -> None:
    found = judge(both(noise(17)), both(noise(17)))
    assert (found.tones_low, found.pre_echo, found.rise, found.attacks) == (None, None, None, 0)
    short = judge(np.zeros((2, 100)), np.zeros((2, 100)))
    assert set(short.as_dict().values()) <= {None, 0.0}


def test_an_attack_out_of_silence_is_found_where_it_is() -> None:
    energies = np.zeros(300)
    energies[150:180] = 1.0
    assert find_attacks(energies)[0] == pytest.approx(150, abs=1)


def test_means_leave_out_clips_without_a_score_and_sides_do_not_cancel() -> None:
    wider, narrower, mono = judge(wide(), wide(2)), judge(wide(), wide(0.5)), judge(both(hits()), both(hits()))
    means = mean_scores([wider, narrower, mono])
    assert wider.coherence is not None
    assert narrower.coherence is not None
    assert means.coherence == pytest.approx((wider.coherence + narrower.coherence) / 2)
    assert means.side == pytest.approx(4, abs=0.1)


def test_mono_arrays_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"degraded has the shape \[1, 9\]"):
        judge(np.zeros((2, 9)), np.zeros((1, 9)))
