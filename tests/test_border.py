"""The callback that a sound card calls, called here by hand: it is the host side, whatever the card looks like."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.callback import HostSide
from realtime.drivers.border import FADE_IN, Border, Memory, compile_callback
from realtime.drivers.card import Resumed
from realtime.timeline import HEARD, Field, Timeline
from tests.lockstep import noise

L = 700


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=8000, latency=L, max_block=300)
    yield made
    made.close()


def at_full_level(border: Border) -> Border:
    border.memory[Memory.LEVEL] = border.memory[Memory.TARGET] = FADE_IN
    return border


def call(border: Border, card_in: np.ndarray, blocks: Sequence[int], flags: int = 0) -> np.ndarray:
    """As PortAudio would, in blocks of these sizes over and over; what the card plays."""
    pointer, size = ctypes.c_void_p, ctypes.c_ulong
    function = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer, size, pointer, size, pointer)(
        compile_callback().address
    )
    card_out = np.full((len(card_in), border[Memory.OUTPUTS]), np.nan, np.float32)
    times, at, turn = np.zeros(3), 0, 0
    while at < len(card_in):
        count = min(blocks[turn % len(blocks)], len(card_in) - at)
        inp, out = np.ascontiguousarray(card_in[at : at + count]), np.ascontiguousarray(card_out[at : at + count])
        code = function(inp.ctypes.data, out.ctypes.data, count, times.ctypes.data, flags, border.memory.ctypes.data)
        assert code == 0
        card_out[at : at + count] = out
        at, turn = at + count, turn + 1
    return card_out


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blocks=st.lists(st.integers(1, 3000), min_size=1, max_size=8))
def test_a_card_plays_what_the_host_side_plays_whatever_its_blocks(blocks: list[int]) -> None:
    timeline = Timeline.create(rate=8000, latency=L, max_block=300)
    try:
        x = noise(9000)
        y = call(at_full_level(Border((0, 1), (0, 1), HostSide(timeline))), x, blocks)
        assert np.array_equal(y[L:], x[:-L])
        assert not y[:L].any()
    finally:
        timeline.close()


def test_left_and_right_may_be_any_channels_of_the_card(timeline: Timeline) -> None:
    card_in = np.random.default_rng(0).uniform(-1, 1, (3000, 6)).astype(np.float32)
    y = call(at_full_level(Border((5, 2), (1, 3), HostSide(timeline))), card_in, [256])
    assert np.array_equal(y[L:, 1], card_in[:-L, 5])
    assert np.array_equal(y[L:, 3], card_in[:-L, 2])
    assert not y[:, [0, 2]].any()


def test_mono_goes_to_both_sides_and_both_sides_to_mono(timeline: Timeline) -> None:
    card_in = noise(3000)[:, :1].copy()
    y = call(at_full_level(Border((0, 0), (0, 0), HostSide(timeline))), card_in, [100])
    assert np.array_equal(y[L:], card_in[:-L])


def test_a_card_without_inputs_plays(timeline: Timeline) -> None:
    y = call(at_full_level(Border(None, (0, 1), HostSide(timeline))), np.zeros((2000, 0), np.float32), [100])
    assert not y.any()
    assert timeline.load(Field.PLAYED_END) == 2000


def test_a_feed_is_played_in_place_of_the_cards_input(timeline: Timeline) -> None:
    x, at = noise(200_000), 0

    def read(count: int) -> np.ndarray:
        nonlocal at
        at += (piece := x[at : at + min(count, 30_000)].T).shape[1]
        return piece

    border = at_full_level(Border(None, (0, 1), HostSide(timeline)))
    border.feed_from(0)
    played = []
    for _ in range(21):
        border.feed(read)
        played.append(call(border, np.zeros((10_000, 0), np.float32), [700]))
    y = np.concatenate(played)
    assert np.array_equal(y[L : L + 200_000], x)
    assert not y[L + 200_000 :].any()


def test_output_is_muted_then_faded_in_without_a_step_then_untouched(timeline: Timeline) -> None:
    border, x = Border((0, 1), (0, 1), HostSide(timeline)), np.ones((12_000, 2), np.float32)
    border.open_up(muted=L + 1000)
    y = call(border, x, [256])
    assert not y[: L + 1000].any()
    assert np.abs(np.diff(y[:, 0])).max() <= 1 / FADE_IN
    assert np.array_equal(y[L + 1000 + FADE_IN :], x[L + 1000 + FADE_IN :])
    border.fade_out()
    y = call(border, x, [256])
    assert np.abs(np.diff(y[:, 0])).max() <= 1 / FADE_IN
    assert not y[FADE_IN:].any()
    assert border[Memory.LEVEL] == 0


def test_nothing_leaves_full_scale_and_what_would_is_counted(timeline: Timeline) -> None:
    x = noise(3000)
    x[100:104, 0] = [1.5, -np.inf, np.nan, 1.0]
    border = at_full_level(Border((0, 1), (0, 1), HostSide(timeline)))
    y = call(border, x, [256])
    expected = x.copy()
    expected[100:104, 0] = [1.0, -1.0, 0.0, 1.0]
    assert np.array_equal(y[L:], expected[:-L])
    assert border[Memory.CLIPPED] == 3


def test_what_the_card_lost_is_counted_by_kind(timeline: Timeline) -> None:
    border, silence = Border((0, 1), (0, 1), HostSide(timeline)), np.zeros((100, 2), np.float32)
    for flags, times in ((1, 1), (2, 2), (4, 3), (8, 4), (2 | 4, 1), (16, 5), (0, 6)):
        call(border, silence, [100] * 1, flags)
        for _ in range(times - 1):
            call(border, silence, [100], flags)
    assert border.xruns == {
        "input_underflow": 1,
        "input_overflow": 3,
        "output_underflow": 4,
        "output_overflow": 4,
    }
    assert timeline[Field.XRUNS] == 11, "blocks, not flags; priming is no loss"


def test_a_probe_plays_silence_and_notes_the_largest_block() -> None:
    border = Border((0, 1), (0, 1))
    assert not call(border, noise(1000), [100, 256, 17]).any()
    assert border[Memory.LARGEST] == 256


def test_a_stream_is_taken_up_where_another_process_left_it(timeline: Timeline) -> None:
    x = noise(6000)
    call(at_full_level(Border((0, 1), (0, 1), HostSide(timeline))), x[:3000], [256])
    timeline.store(Field.DRY_END, 3100)  # it died in the middle of a block
    timeline.rings[HEARD][:, 3000:3100] = 1.0
    host = Resumed(timeline)
    assert host.position == 3100
    y = call(at_full_level(Border((0, 1), (0, 1), host)), x[3100:], [256])
    assert np.array_equal(y[L:], x[3100 : 6000 - L])
    heard = np.empty((2, 100), np.float32)
    timeline.read(HEARD, 3000, heard)
    assert not heard.any()
