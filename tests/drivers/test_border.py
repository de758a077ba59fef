"""The compiled PortAudio callback, called by hand: it plays what the playout plays, for any device."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.drivers.portaudio.callback import FADE_IN, StateField, StreamState, compile_callback
from realtime.drivers.portaudio.device_process import ResumedPlayout
from realtime.timeline.layout import MONITOR, Field, Timeline
from realtime.timeline.playout import Playout
from tests.support.lockstep import noise

L = 700


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    made = Timeline.create(rate=8000, latency=L, max_block=300)
    yield made
    made.close()


def at_full_level(state: StreamState) -> StreamState:
    state.memory[StateField.LEVEL] = state.memory[StateField.TARGET] = FADE_IN
    return state


def call(state: StreamState, device_in: np.ndarray, blocks: Sequence[int], flags: int = 0) -> np.ndarray:
    """Call the callback like PortAudio, in blocks of these sizes in turn; return what the device
    plays.
    """
    pointer, size = ctypes.c_void_p, ctypes.c_ulong
    function = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer, size, pointer, size, pointer)(
        compile_callback().address
    )
    device_out = np.full((len(device_in), state[StateField.OUTPUTS]), np.nan, np.float32)
    times, at, turn = np.zeros(3), 0, 0
    while at < len(device_in):
        count = min(blocks[turn % len(blocks)], len(device_in) - at)
        inp, out = np.ascontiguousarray(device_in[at : at + count]), np.ascontiguousarray(device_out[at : at + count])
        code = function(inp.ctypes.data, out.ctypes.data, count, times.ctypes.data, flags, state.memory.ctypes.data)
        assert code == 0
        device_out[at : at + count] = out
        at, turn = at + count, turn + 1
    return device_out


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blocks=st.lists(st.integers(1, 3000), min_size=1, max_size=8))
def test_a_device_plays_what_the_playout_plays_for_any_blocks(blocks: list[int]) -> None:
    timeline = Timeline.create(rate=8000, latency=L, max_block=300)
    try:
        x = noise(9000)
        y = call(at_full_level(StreamState((0, 1), (0, 1), Playout(timeline))), x, blocks)
        assert np.array_equal(y[L:], x[:-L])
        assert not y[:L].any()
    finally:
        timeline.close()


def test_left_and_right_may_be_any_channels_of_the_device(timeline: Timeline) -> None:
    device_in = np.random.default_rng(0).uniform(-1, 1, (3000, 6)).astype(np.float32)
    y = call(at_full_level(StreamState((5, 2), (1, 3), Playout(timeline))), device_in, [256])
    assert np.array_equal(y[L:, 1], device_in[:-L, 5])
    assert np.array_equal(y[L:, 3], device_in[:-L, 2])
    assert not y[:, [0, 2]].any()


def test_mono_goes_to_both_sides_and_both_sides_to_mono(timeline: Timeline) -> None:
    device_in = noise(3000)[:, :1].copy()
    y = call(at_full_level(StreamState((0, 0), (0, 0), Playout(timeline))), device_in, [100])
    assert np.array_equal(y[L:], device_in[:-L])


def test_a_device_without_inputs_plays(timeline: Timeline) -> None:
    y = call(at_full_level(StreamState(None, (0, 1), Playout(timeline))), np.zeros((2000, 0), np.float32), [100])
    assert not y.any()
    assert timeline.load(Field.PLAYED_END) == 2000


def test_a_file_is_played_in_place_of_the_devices_input(timeline: Timeline) -> None:
    x, at = noise(200_000), 0

    def read(count: int) -> np.ndarray:
        nonlocal at
        at += (piece := x[at : at + min(count, 30_000)].T).shape[1]
        return piece

    state = at_full_level(StreamState(None, (0, 1), Playout(timeline)))
    state.start_feed(0)
    played = []
    for _ in range(21):
        state.feed(read)
        played.append(call(state, np.zeros((10_000, 0), np.float32), [700]))
    y = np.concatenate(played)
    assert np.array_equal(y[L : L + 200_000], x)
    assert not y[L + 200_000 :].any()


def test_output_is_muted_then_fades_in_without_a_step_then_is_unchanged(timeline: Timeline) -> None:
    state, x = StreamState((0, 1), (0, 1), Playout(timeline)), np.ones((12_000, 2), np.float32)
    state.start_muted_fade_in(muted=L + 1000)
    y = call(state, x, [256])
    assert not y[: L + 1000].any()
    assert np.abs(np.diff(y[:, 0])).max() <= 1 / FADE_IN
    assert np.array_equal(y[L + 1000 + FADE_IN :], x[L + 1000 + FADE_IN :])
    state.fade_out()
    y = call(state, x, [256])
    assert np.abs(np.diff(y[:, 0])).max() <= 1 / FADE_IN
    assert not y[FADE_IN:].any()
    assert state[StateField.LEVEL] == 0


def test_samples_beyond_full_scale_are_clipped_and_counted(timeline: Timeline) -> None:
    x = noise(3000)
    x[100:104, 0] = [1.5, -np.inf, np.nan, 1.0]
    state = at_full_level(StreamState((0, 1), (0, 1), Playout(timeline)))
    y = call(state, x, [256])
    expected = x.copy()
    expected[100:104, 0] = [1.0, -1.0, 0.0, 1.0]
    assert np.array_equal(y[L:], expected[:-L])
    assert state[StateField.CLIPPED] == 3


def test_xruns_are_counted_by_kind(timeline: Timeline) -> None:
    state, silence = StreamState((0, 1), (0, 1), Playout(timeline)), np.zeros((100, 2), np.float32)
    for flags, times in ((1, 1), (2, 2), (4, 3), (8, 4), (2 | 4, 1), (16, 5), (0, 6)):
        call(state, silence, [100] * 1, flags)
        for _ in range(times - 1):
            call(state, silence, [100], flags)
    assert state.xruns == {
        "input_underflow": 1,
        "input_overflow": 3,
        "output_underflow": 4,
        "output_overflow": 4,
    }
    assert timeline[Field.XRUNS] == 11, "blocks, not flags; priming is no loss"


def test_a_probe_plays_silence_and_reports_the_largest_block() -> None:
    state = StreamState((0, 1), (0, 1))
    assert not call(state, noise(1000), [100, 256, 17]).any()
    assert state[StateField.LARGEST] == 256


def test_a_stream_resumes_where_another_process_left_it(timeline: Timeline) -> None:
    x = noise(6000)
    call(at_full_level(StreamState((0, 1), (0, 1), Playout(timeline))), x[:3000], [256])
    timeline.store(Field.DRY_END, 3100)  # it died in the middle of a block
    timeline.rings[MONITOR][:, 3000:3100] = 1.0
    host = ResumedPlayout(timeline)
    assert host.position == 3100
    y = call(at_full_level(StreamState((0, 1), (0, 1), host)), x[3100:], [256])
    assert np.array_equal(y[L:], x[3100 : 6000 - L])
    heard = np.empty((2, 100), np.float32)
    timeline.read(MONITOR, 3000, heard)
    assert not heard.any()
