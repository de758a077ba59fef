"""Playout: the host side of a timeline, the only code that runs in the audio thread.

Compiled with numba and used by every driver; plugin/native/playout.c is its port to C, and this
file is the original. For each block it copies the input into `dry`, plays k = n - L from the paths
with ramped gains, and fades to aligned dry (or silence) before a path's data ends. It does not
allocate, wait or raise: it counts.

All ramps are integers (gains in units of 1 / GAIN_ONE, wet crossfades in samples of FADE), so that
this code, the numpy reference in tests/support and the plug-in's C agree bit for bit.

    data of slot A  |===== run =====|                 |===== next run ...
    wet crossfade    /‾‾‾‾‾‾‾‾‾‾‾‾\\___________________/‾‾‾‾
    (0 ... FADE)     ^ up by 1 per sample  ^ down by 1 per sample, reaching 0 where the data ends

A run is [run_start, wet_end) of a slot. A new run is adopted only when the old one has been played
to its end, so a restart of the worker cuts nothing off. Where the new run begins exactly there,
nothing is missing and nothing is counted. A run that begins at sample 0 counts as present before
it, as silence, so that sample 0 is wet already.
"""

from __future__ import annotations

import time
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.system.atomics import load_acquire, store_release
from realtime.timeline.layout import (
    DROPOUT_KINDS,
    GAIN_ONE,
    SLOT_DROPOUTS,
    STRETCHES,
    Field,
    Timeline,
    layout_hash,
)

_GAIN_STEP = np.float32(1.0 / GAIN_ONE)


class PlayoutState(IntEnum):
    """Indices into the int64 state array of a playout; per-slot values take two entries."""

    POSITION = 0  # n, the next input sample
    GAIN_DRY = 1
    GAIN_A = 2
    GAIN_B = 3
    WET_CROSSFADE = 4  # 4, 5: position in the crossfade, 0 (dry) to FADE (wet)
    RUN_START = 6  # 6, 7
    RUN_END = 8  # 8, 9
    WAS_PRESENT = 10  # 10, 11: the slot has been fully wet in this stream, so its absence is a dropout
    DROPOUT_KIND = 12  # 0: no dropout; 1 late, 2 stalled, 3 died: the worst kind seen in the current one
    DROPOUT_ATTACH = 13  # ATTACH_COUNT when the current dropout began
    STRETCH_KIND = 14  # 14, 15: 0, or the kind of the slot's current stretch: as above, and 4: not begun yet
    STRETCH_START = 16  # 16, 17: its first input sample
    STRETCH_ATTACH = 18  # 18, 19: ATTACH_COUNT at the end of the block in which it began; -1 until then
    SIZE = 24


# numba's cache checks this file alone, and the compiled code contains the field numbers. When they
# change, this line must change too.
_LAYOUT = "f5b89aea358b"
if layout_hash() != _LAYOUT:
    raise RuntimeError(f"the timeline's fields have changed: set _LAYOUT to {layout_hash()} in this file")

# numba freezes globals into the code; plain integers, because it does not support all arithmetic on
# IntEnum
_LATENCY, _CAPACITY, _FADE, _SLOTS = int(Field.LATENCY), int(Field.CAPACITY), int(Field.FADE), int(Field.SLOTS)
_MAX_BLOCK, _STALL_NS, _STREAM_ID, _STREAM_ACK = (
    int(Field.MAX_BLOCK),
    int(Field.STALL_NS),
    int(Field.STREAM_ID),
    int(Field.STREAM_ACK),
)
_DRY_END, _PLAYED_END, _BLOCKS = int(Field.DRY_END), int(Field.PLAYED_END), int(Field.BLOCKS)
_LATE, _DROPPED_SAMPLES, _OPEN_DROPOUT, _HEARTBEAT_NS, _ATTACH_COUNT = (
    int(Field.LATE),
    int(Field.DROPPED_SAMPLES),
    int(Field.OPEN_DROPOUT),
    int(Field.HEARTBEAT_NS),
    int(Field.ATTACH_COUNT),
)
_RUN_START_A, _WET_END_A, _GAIN, _DROPOUT_FILL = (
    int(Field.RUN_START_A),
    int(Field.WET_END_A),
    int(Field.GAIN_DRY),
    int(Field.DROPOUT_FILL),
)
_PREV_RUN_START_A, _PREV_RUN_END_A = int(Field.PREV_RUN_START_A), int(Field.PREV_RUN_END_A)
_SLOT_STRIDE = int(Field.RUN_START_B - Field.RUN_START_A)
_N, _G, _Q = int(PlayoutState.POSITION), int(PlayoutState.GAIN_DRY), int(PlayoutState.WET_CROSSFADE)
_RUN_START, _RUN_END, _WAS_PRESENT = (
    int(PlayoutState.RUN_START),
    int(PlayoutState.RUN_END),
    int(PlayoutState.WAS_PRESENT),
)
_KIND, _DROPOUT_ATTACH = int(PlayoutState.DROPOUT_KIND), int(PlayoutState.DROPOUT_ATTACH)
_STRETCH_KIND, _STRETCH_START, _STRETCH_ATTACH = (
    int(PlayoutState.STRETCH_KIND),
    int(PlayoutState.STRETCH_START),
    int(PlayoutState.STRETCH_ATTACH),
)
_HEARTBEAT_A, _LATE_A, _DROPPED_A, _FILL_A = (
    int(Field.HEARTBEAT_A),
    int(Field.LATE_A),
    int(Field.DROPPED_SAMPLES_A),
    int(Field.FILL_SAMPLES_A),
)
_OPEN_STRETCH_A, _OPEN_START_A, _STRETCH_END_A, _STRETCH_A = (
    int(Field.OPEN_STRETCH_A),
    int(Field.OPEN_START_A),
    int(Field.STRETCH_END_A),
    int(Field.STRETCH_A),
)
_LOG_STRIDE = int(Field.LATE_B - Field.LATE_A)
_NOT_BEGUN = 4


@njit(inline="always")
def _crossfade(dry, wet, wet_crossfade, fade, silent):  # type: ignore[no-untyped-def]
    """Return one sample of a slot: wet, its dropout fill (dry or silence), or a mix on the ramp."""
    if wet_crossfade == fade:
        return wet
    if wet_crossfade == 0:
        return np.float32(0.0) if silent else dry
    part = np.float32(wet_crossfade) / np.float32(fade)
    if silent:
        return part * wet
    return dry + part * (wet - dry)


@njit(inline="always")
def _step_towards(value, target, step):  # type: ignore[no-untyped-def]
    """Return value moved towards target by at most step."""
    return value + min(max(target - value, -step), step)


@njit
def _update_runs(header, base, state, k):  # type: ignore[no-untyped-def]
    """Read the bounds of the runs.

    wet_end is read before run_start, so that an end never extends an older run.
    """
    worker_ready = load_acquire(base + 8 * _STREAM_ACK) == header[_STREAM_ID]
    for s in range(2):
        end = load_acquire(base + 8 * (_WET_END_A + s * _SLOT_STRIDE))
        start = load_acquire(base + 8 * (_RUN_START_A + s * _SLOT_STRIDE))
        if not worker_ready:
            continue
        if start == state[_RUN_START + s]:
            state[_RUN_END + s] = end
            continue
        prev_start = load_acquire(base + 8 * (_PREV_RUN_START_A + s * _SLOT_STRIDE))
        prev_end = load_acquire(base + 8 * (_PREV_RUN_END_A + s * _SLOT_STRIDE))
        consistent = load_acquire(base + 8 * (_RUN_START_A + s * _SLOT_STRIDE)) == start  # both precede this run
        if consistent and prev_start == state[_RUN_START + s]:  # samples added to the old run since the last block
            state[_RUN_END + s] = max(state[_RUN_END + s], prev_end)
        if start == state[_RUN_END + s] and end > start:  # a takeover: the fade between the runs is not a dropout
            state[_WAS_PRESENT + s] = 0
        if state[_RUN_END + s] <= k:  # the old run has been played
            state[_RUN_START + s], state[_RUN_END + s] = start, end


@njit
def _count_dropouts(header, base, state, now_ns):  # type: ignore[no-untyped-def]
    """Track one dropout over all slots, from the first absence to the last return."""
    fade, missing = header[_FADE], False
    for s in range(2):
        if header[_SLOTS] >> s & 1:
            if state[_Q + s] == fade:
                state[_WAS_PRESENT + s] = 1
            elif state[_WAS_PRESENT + s]:
                missing = True
    attached = load_acquire(base + 8 * _ATTACH_COUNT)
    for s in range(2):
        _judge_stretch(header, base, state, s, attached, now_ns)
    if missing:
        if state[_KIND] == 0:
            state[_KIND], state[_DROPOUT_ATTACH] = 1, attached
        if now_ns - load_acquire(base + 8 * _HEARTBEAT_NS) > header[_STALL_NS]:
            state[_KIND] = max(state[_KIND], 2)
        if attached != state[_DROPOUT_ATTACH] or attached == 0:
            state[_KIND] = 3
    elif state[_KIND]:
        _close_dropout(header, state)
    header[_OPEN_DROPOUT] = state[_KIND]


@njit
def _close_dropout(header, state):  # type: ignore[no-untyped-def]
    """Count the current dropout, if any."""
    if state[_KIND]:
        header[_LATE + state[_KIND] - 1] += 1
        state[_KIND] = 0
        header[_OPEN_DROPOUT] = 0


@njit
def _note_fill(header, base, state, s, k, full):  # type: ignore[no-untyped-def]
    """Begin, count or end the stretch of a slot that is fully wet, or not, at input sample k."""
    if full:
        if state[_STRETCH_KIND + s]:
            _end_stretch(header, base, state, s, k)
        return
    if state[_STRETCH_KIND + s] == 0:
        state[_STRETCH_KIND + s] = 1 if state[_WAS_PRESENT + s] else _NOT_BEGUN
        state[_STRETCH_START + s], state[_STRETCH_ATTACH + s] = k, -1
    header[_FILL_A + s * _LOG_STRIDE] += 1
    if state[_WAS_PRESENT + s]:
        header[_DROPPED_A + s * _LOG_STRIDE] += 1


@njit
def _judge_stretch(header, base, state, s, attached, now_ns):  # type: ignore[no-untyped-def]
    """Raise the kind of a slot's dropout at the end of a block, and publish its stretch."""
    kind = state[_STRETCH_KIND + s]
    if kind and kind != _NOT_BEGUN:
        if state[_STRETCH_ATTACH + s] < 0:
            state[_STRETCH_ATTACH + s] = attached
        if now_ns - load_acquire(base + 8 * (_HEARTBEAT_A + s * _SLOT_STRIDE)) > header[_STALL_NS]:
            kind = max(kind, 2)
        if attached != state[_STRETCH_ATTACH + s] or attached == 0:
            kind = 3
        state[_STRETCH_KIND + s] = kind
    header[_OPEN_START_A + s * _LOG_STRIDE] = state[_STRETCH_START + s]
    header[_OPEN_STRETCH_A + s * _LOG_STRIDE] = kind


@njit
def _end_stretch(header, base, state, s, k):  # type: ignore[no-untyped-def]
    """Count and log the current stretch of a slot, which ends before input sample k."""
    kind, log = state[_STRETCH_KIND + s], s * _LOG_STRIDE
    if kind != _NOT_BEGUN:
        header[_LATE_A + log + kind - 1] += 1
    number = header[_STRETCH_END_A + log]
    at = _STRETCH_A + log + 2 * (number % STRETCHES)
    header[at], header[at + 1] = state[_STRETCH_START + s], k << 3 | kind
    store_release(base + 8 * (_STRETCH_END_A + log), number + 1)
    state[_STRETCH_KIND + s] = 0
    header[_OPEN_STRETCH_A + log] = 0


@njit
def _nothing_ramps(header, state, first, size):  # type: ignore[no-untyped-def]
    """Return True if no gain moves and every slot in use stays fully wet in this block."""
    if first < 0:
        return False
    for g in range(3):
        if state[_G + g] != header[_GAIN + g]:
            return False
    for s in range(2):
        full = state[_Q + s] == header[_FADE] and state[_RUN_END + s] - (first + size) >= header[_FADE]
        if not full and (state[_G + 1 + s] or header[_SLOTS] >> s & 1):
            return False
    return True


@njit
def _play_steady(out, rings, state, n, first, mask):  # type: ignore[no-untyped-def]
    """Play a block in which nothing ramps: the same sums as `_play_ramped`, four times as fast."""
    size, channels = out.shape
    gain_dry = np.float32(state[_G]) * _GAIN_STEP
    gain_a = np.float32(state[_G + 1]) * _GAIN_STEP
    gain_b = np.float32(state[_G + 2]) * _GAIN_STEP
    for c in range(channels):
        dry, wet_a, wet_b, monitor = rings[0, c], rings[1, c], rings[2, c], rings[3, c]
        for i in range(size):
            slot, total = (first + i) & mask, np.float32(0.0)
            if state[_G]:
                total = gain_dry * dry[slot]
            if state[_G + 1]:
                total = total + gain_a * wet_a[slot] if state[_G] else gain_a * wet_a[slot]
            if state[_G + 2]:
                total = total + gain_b * wet_b[slot] if state[_G] or state[_G + 1] else gain_b * wet_b[slot]
            out[i, c] = total
            monitor[(n + i) & mask] = total


@njit
def _play_ramped(out, rings, header, base, state, n, first, mask):  # type: ignore[no-untyped-def]
    """Play a block, moving gains and crossfades; return its samples in a dropout."""
    size, channels = out.shape
    fade = header[_FADE]
    silent, step, dropped = header[_DROPOUT_FILL] == 1, GAIN_ONE // fade, 0
    for i in range(size):
        k = first + i
        for g in range(3):
            state[_G + g] = _step_towards(state[_G + g], header[_GAIN + g], step)
        absent = False
        for s in range(2):
            there = 0
            start, end = state[_RUN_START + s], state[_RUN_END + s]
            if header[_SLOTS] >> s & 1 and end > start and (k >= start or start == 0):
                there = min(max(end - k, 0), fade)
            state[_Q + s] = min(state[_Q + s] + 1, there)
            absent = absent or (state[_WAS_PRESENT + s] and state[_Q + s] < fade)
            if k >= 0 and header[_SLOTS] >> s & 1:
                _note_fill(header, base, state, s, k, state[_Q + s] == fade)
        dropped += absent
        for c in range(channels):
            dry = rings[0, c, k & mask] if k >= 0 else np.float32(0.0)
            total = np.float32(0.0)
            if state[_G]:
                total = np.float32(state[_G]) * _GAIN_STEP * dry
            for s in range(2):
                if state[_G + 1 + s]:
                    wet = rings[1 + s, c, k & mask] if k >= 0 else np.float32(0.0)
                    wet = _crossfade(dry, wet, state[_Q + s], fade, silent)
                    wet = np.float32(state[_G + 1 + s]) * _GAIN_STEP * wet
                    # the first term is assigned: adding it to 0 would lose the sign of a zero
                    total = total + wet if state[_G] or (s == 1 and state[_G + 1]) else wet
            out[i, c] = total
            rings[3, c, (n + i) & mask] = total
    return dropped


@njit
def _process_piece(inp, out, now_ns, header, base, rings, state):  # type: ignore[no-untyped-def]
    """Process up to MAX_BLOCK samples: publish dry, read the runs, play, count, publish."""
    size, channels = inp.shape
    n, mask = state[_N], header[_CAPACITY] - 1
    for i in range(size):
        for c in range(channels):
            rings[0, c, (n + i) & mask] = inp[i, c]
    store_release(base + 8 * _DRY_END, n + size)

    first = n - header[_LATENCY]
    _update_runs(header, base, state, first)
    if _nothing_ramps(header, state, first, size):
        _play_steady(out, rings, state, n, first, mask)
    else:
        header[_DROPPED_SAMPLES] += _play_ramped(out, rings, header, base, state, n, first, mask)
    state[_N] = n + size
    _count_dropouts(header, base, state, now_ns)
    header[_BLOCKS] += 1
    store_release(base + 8 * _PLAYED_END, n + size)


@njit(
    "void(float32[:, ::1], float32[:, ::1], int64, int64[::1], float32[:, :, ::1], int64[::1])",
    cache=True,
    nogil=True,
)
def process(inp, out, now_ns, header, rings, state):  # type: ignore[no-untyped-def]
    """Take a block of input [n, C] and write as many samples to out [n, C]. Audio thread; any n.

    now_ns is the monotonic clock; it distinguishes a late worker from a stalled one.
    """
    base = header.ctypes.data
    start, size = 0, inp.shape[0]
    while start < size:
        end = min(size, start + header[_MAX_BLOCK])
        _process_piece(inp[start:end], out[start:end], now_ns, header, base, rings, state)
        start = end


@njit("void(int64[::1], int64[::1])", cache=True, nogil=True)
def activate(header, state):  # type: ignore[no-untyped-def]
    """Begin a new stream at sample 0 and signal it to the worker.

    Any thread, while none processes.
    """
    base = header.ctypes.data
    state[:] = 0
    for g in range(3):
        state[_G + g] = header[_GAIN + g]
    store_release(base + 8 * _DRY_END, 0)
    store_release(base + 8 * _PLAYED_END, 0)
    store_release(base + 8 * _STREAM_ID, header[_STREAM_ID] + 1)  # last: a reader that sees it sees the counters at 0


@njit("void(int64[::1], int64[::1])", cache=True, nogil=True)
def close_dropout(header, state):  # type: ignore[no-untyped-def]
    """Count the dropout in which a stream ends, if any. Any thread, while none processes."""
    _close_dropout(header, state)
    for s in range(2):
        if state[_STRETCH_KIND + s]:
            _end_stretch(header, header.ctypes.data, state, s, state[_N] - header[_LATENCY])


class Playout:
    """Host side of one timeline, called by a driver. One thread at a time."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.header, self.rings = timeline.header, timeline.rings
        self.state = np.zeros(PlayoutState.SIZE, np.int64)
        activate(self.header, self.state)

    @property
    def position(self) -> int:
        """Number of input samples taken so far."""
        return int(self.state[PlayoutState.POSITION])

    def process(self, inp: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> None:
        """Play one block; inp and out are contiguous [n, C]. Audio thread."""
        now_ns = time.perf_counter_ns()
        process(inp, out, now_ns, self.header, self.rings, self.state)
        self.header[Field.MAX_NS] = max(self.header[Field.MAX_NS], time.perf_counter_ns() - now_ns)

    def count_xrun(self) -> None:
        """Count a block that the device or the clock lost."""
        self.header[Field.XRUNS] += 1

    def finish(self) -> None:
        """Count the dropout in which the stream ended, if any."""
        close_dropout(self.header, self.state)

    def close(self) -> None:
        """Release the views of the timeline's memory."""
        del self.header, self.rings


def dropouts(timeline: Timeline) -> dict[str, int]:
    """Return the dropouts by kind since the timeline was created. Any thread."""
    return {kind: int(timeline.header[field]) for kind, field in DROPOUT_KINDS.items()}


def slot_dropouts(timeline: Timeline, slot: int) -> dict[str, int]:
    """Return the dropouts of one slot by kind since the timeline was created. Any thread."""
    return {kind: int(timeline.header[field]) for kind, field in SLOT_DROPOUTS[slot].items()}
