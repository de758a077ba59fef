"""Arithmetic of the plots: ring image, axes, spectra, frame columns. No window is opened."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gui.plots import colormaps, frame_columns
from gui.plots.audio_history import AudioHistory
from gui.plots.axes import SECONDS, Rows, TimeAxis
from gui.plots.frame_columns import FrameColumn, FrameHistory
from gui.plots.frequency_scale import MEL, NOTES, FrequencyScale
from gui.plots.ring_image import EMPTY, RingImage
from gui.plots.stft_columns import CEILING_DB, FLOOR_DB, StftAnalysis, columns, last_column
from gui.plots.token_histogram import entropy

GREYS = [0xFF000000 | i << 16 | i << 8 | i for i in range(256)]
RATE = 48_000


@given(st.lists(st.integers(0, 30), max_size=20), st.integers(0, 1000), st.integers(1, 12))
def test_any_window_of_a_ring_image_has_the_newest_columns_in_order(counts: list[int], first: int, seen: int) -> None:
    ring_image, number = RingImage(3, 12, GREYS), first
    for count in counts:
        block = np.broadcast_to((np.arange(number, number + count) % 251).astype(np.uint8), (3, count))
        ring_image.write(number, block)
        number += count
    window = ring_image.window(number, seen)
    for i, column in enumerate(range(number - seen, number)):
        expected = GREYS[column % 251] if column >= first else EMPTY
        assert (window[:, i] == expected).all()


def test_an_image_shows_the_window_without_a_copy() -> None:
    ring_image = RingImage(2, 4, GREYS)
    ring_image.write(2, np.array([[10, 20, 30, 40], [50, 60, 70, 80]], np.uint8))
    image = ring_image.to_qimage(6, 3)
    assert (image.width(), image.height()) == (3, 2)
    assert [image.pixel(x, 0) & 0xFF for x in range(3)] == [20, 30, 40]
    assert [image.pixel(x, 1) & 0xFF for x in range(3)] == [60, 70, 80]


@given(st.floats(33, 20_000), st.sampled_from([MEL, NOTES]))
def test_the_frequency_scales_invert(frequency: float, scale: FrequencyScale) -> None:
    assert float(scale.frequency(scale.place(frequency))) == pytest.approx(frequency)


@pytest.mark.parametrize("columns_", [100, 1024, 2000])
def test_a_plot_shows_twelve_seconds_at_any_width(columns_: int) -> None:
    axis = TimeAxis(RATE, columns_)
    assert columns_ * axis.step / RATE == pytest.approx(SECONDS, rel=0.01)
    assert axis.ticks()[-1] == (columns_, "now")


@given(st.integers(20, 600), st.sampled_from([44_100, 48_000, 96_000]))
def test_rows_of_even_power_are_even(rows: int, rate: int) -> None:
    power = np.ones((1, 1025), np.float32)
    assert Rows(rows, 2048, rate)(power) == pytest.approx(np.ones((1, rows)))


@pytest.mark.parametrize("scale", [MEL, NOTES], ids=lambda scale: scale.name)
@pytest.mark.parametrize("frequency", [100.0, 440.0, 3000.0, 15_000.0])
def test_a_sine_is_brightest_where_its_frequency_is(frequency: float, scale: FrequencyScale) -> None:
    rows = 200
    analysis = StftAnalysis(RATE, rows, scale)
    sound = np.sin(2 * np.pi * frequency * np.arange(analysis.size) / RATE).astype(np.float32)
    brightest = int(analysis.pixels(sound[None] * 0.05)[:, 0].argmax())
    assert brightest == pytest.approx((1 - float(scale.place(frequency))) * rows, abs=6 if frequency < 200 else 3)


def test_levels_are_fixed_silence_is_dark_and_doubling_adds_six_db() -> None:
    analysis = StftAnalysis(RATE, 100)
    sound = np.random.default_rng(0).normal(size=(1, analysis.size)).astype(np.float32) * 0.01
    assert analysis.pixels(np.zeros_like(sound)).max() == 0
    step = analysis.pixels(2 * sound).astype(float) - analysis.pixels(sound)
    assert np.median(step) * (CEILING_DB - FLOOR_DB) / 255 == pytest.approx(6.02, abs=0.3)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=12))
def test_columns_drawn_incrementally_equal_those_drawn_at_once(blocks: list[int]) -> None:
    axis, analysis = TimeAxis(RATE, 1000), StftAnalysis(RATE, 20)
    sound = np.random.default_rng(1).normal(size=(2, sum(blocks))).astype(np.float32)
    history, at = AudioHistory(RATE, 1.0), 0
    drawn: list[np.ndarray] = []
    whole = AudioHistory(RATE, 2.0)
    whole.append(0, dict.fromkeys(("dry", "a", "b"), sound))
    for block in blocks:
        history.append(at, dict.fromkeys(("dry", "a", "b"), sound[:, at : at + block]))
        at += block
        end = last_column(axis, analysis.size, at)
        first = sum(part.shape[1] for part in drawn)
        if end > first and (end - first) * axis.step + analysis.size < history.capacity:
            drawn.append(columns(history, "a", axis, analysis, first, end))
    if drawn:
        found = np.concatenate(drawn, axis=1)
        np.testing.assert_array_equal(found, columns(whole, "a", axis, analysis, 0, found.shape[1]))


def test_a_click_is_at_the_same_column_in_every_plot() -> None:
    axis, analysis, frame_history = TimeAxis(RATE, 1000), StftAnalysis(RATE, 50), FrameHistory(strongest=True, keep=8)
    history, click = AudioHistory(RATE, 4.0), 100_000
    sound = np.zeros((2, 150_000), np.float32)
    sound[:, click] = 1.0
    history.append(0, dict.fromkeys(("dry", "a", "b"), sound))
    end = last_column(axis, analysis.size, 150_000)
    pictures = [columns(history, path, axis, analysis, 0, end).sum(0) for path in ("dry", "a")]
    centres = [float(np.average(np.arange(end), weights=picture)) for picture in pictures]
    ring_image = RingImage(4, 1000, GREYS)
    column = FrameColumn(click, 48_000, np.full(4, 99, np.uint8))
    frame_history.add(column)
    frame_history.draw(column, ring_image, axis)
    edge = int((ring_image.window(1000, 1000)[0] != EMPTY).argmax())
    assert centres[0] == centres[1]
    assert centres[0] == pytest.approx(edge, abs=1.0)


def test_delta_is_dry_minus_a() -> None:
    history = AudioHistory(RATE, 1.0)
    history.append(
        0, {name: np.full((2, 10), level, np.float32) for name, level in (("dry", 1.0), ("a", 0.25), ("b", 0.0))}
    )
    assert history.read("delta", 2, 5).tolist() == [0.75] * 5


def test_a_gap_forgets_the_sound_before_it() -> None:
    history = AudioHistory(RATE, 1.0)
    history.append(0, {name: np.ones((1, 10), np.float32) for name in ("dry", "a", "b")})
    history.append(50, {name: np.ones((1, 10), np.float32) for name in ("dry", "a", "b")})
    assert history.end == 60
    assert history.read("dry", 0, 50).max() == 0


def test_zero_is_dark_and_signs_have_their_own_hue() -> None:
    table = colormaps.table(*colormaps.SIGNED)
    low, zero, high = (table[i] for i in frame_columns.signed(np.array([-1.0, 0.0, 1.0], np.float32)))
    brightness = [sum(colour >> shift & 0xFF for shift in (0, 8, 16)) for colour in (low, zero, high)]
    assert brightness[1] < 60 < min(brightness[0], brightness[2])
    assert low != high


def test_digits_keep_their_order() -> None:
    shades = frame_columns.ordinal(np.arange(11, dtype=np.int32), 11)
    assert (np.diff(shades.astype(int)) > 0).all()
    assert shades.max() < frame_columns.LINE


@given(st.integers(1, 600), st.integers(4, 300), st.booleans())
def test_values_fill_every_row_and_none_is_thinner_than_two_pixels(values: int, rows: int, strongest: bool) -> None:
    found = frame_columns.to_rows(np.arange(values, dtype=np.int64).astype(np.uint8), rows, strongest=strongest)
    assert found.shape == (rows,)
    if values <= rows // 2:
        assert set(found) == set(np.arange(values) % 256)


def test_a_row_that_stands_for_many_shows_the_strongest() -> None:
    values = np.full(64, frame_columns.ZERO, np.uint8)
    values[17] = 3
    assert 3 in frame_columns.to_rows(values, 8, strongest=True)


def test_entropy_of_equal_counts_is_log2_of_the_levels() -> None:
    assert entropy(np.full(11, 7)) == pytest.approx(np.log2(11))
    assert entropy(np.array([5, 0, 0])) == 0.0
    assert entropy(np.zeros(3, np.int64)) == 0.0


def test_maps_of_energy_and_of_digits_grow_lighter_monotonically() -> None:
    for anchors in (colormaps.MAGMA, colormaps.VIRIDIS):
        light = [
            0.21 * (c >> 16 & 0xFF) + 0.72 * (c >> 8 & 0xFF) + 0.07 * (c & 0xFF) for c in colormaps.table(*anchors)
        ]
        assert (np.diff(light) > -1).all()  # but for rounding
