"""The host side: the only code that runs in the audio thread. Compiled; used by every driver.

For each block it copies the input into `dry`, plays k = n - L from the paths with ramped gains, and fades to aligned
dry (or silence) before a path's data ends. It allocates nothing, waits for nothing and raises nothing: it counts.

All ramps are whole numbers (gains in units of 1 / GAIN_ONE, presence in samples of FADE), so that this code, the
plain reference in `tests/` and the plug-in's C agree to the bit.

    data of slot A  |===== run =====|                 |===== next run ...
    presence (of F)  /‾‾‾‾‾‾‾‾‾‾‾‾\\___________________/‾‾‾‾
                     ^ up by 1 a sample    ^ down by 1 a sample, reaching 0 where the data ends

A run is [epoch, wet_end) of a slot. A new epoch is taken up only when the old run has been played to its end, so a
restart of the engine cuts nothing off; where the new run begins just there, nothing is missing and nothing is counted.
A run that begins with the stream is there before it, as silence, so that sample 0 is wet already.
"""

from __future__ import annotations

import time
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.atomic import load_acquire, store_release
from realtime.timeline import GAIN_ONE, MISS_KINDS, Field, Timeline, layout

_GAIN_STEP = np.float32(1.0 / GAIN_ONE)


class State(IntEnum):
    """The host side's own memory, int64; per slot where there are two."""

    POSITION = 0  # n, the next input sample
    GAIN_DRY = 1
    GAIN_A = 2
    GAIN_B = 3
    PRESENCE = 4  # 4, 5: samples of FADE by which the slot is present
    RUN_START = 6  # 6, 7
    RUN_END = 8  # 8, 9
    WAS_FULL = 10  # 10, 11: the slot has been fully present in this stream, so its absence is a hole
    HOLE_KIND = 12  # 0 no hole open; 1 late, 2 stalled, 3 died: the worst seen in it
    HOLE_ENGINE = 13  # the engine that was there when the hole opened
    SIZE = 16


# numba's cache looks at this file alone, and the fields are frozen into what it holds: when they change, so must this
_LAYOUT = "7afb43d6ceb3"
assert layout() == _LAYOUT, f"the timeline's fields have changed: write {layout()} here"

# numba freezes globals into the code; plain integers, since it knows no IntEnum arithmetic in all places
_LATENCY, _CAPACITY, _FADE, _SLOTS = int(Field.LATENCY), int(Field.CAPACITY), int(Field.FADE), int(Field.SLOTS)
_MAX_BLOCK, _STALL_NS, _STREAM, _ACK = int(Field.MAX_BLOCK), int(Field.STALL_NS), int(Field.STREAM), int(Field.ACK)
_DRY_END, _PLAYED_END, _BLOCKS = int(Field.DRY_END), int(Field.PLAYED_END), int(Field.BLOCKS)
_LATE, _MISSED, _HOLE, _BEAT, _ENGINE = (
    int(Field.LATE),
    int(Field.MISSED),
    int(Field.HOLE),
    int(Field.BEAT),
    int(Field.ENGINE),
)
_EPOCH_A, _WET_END_A, _GAIN, _FILL = int(Field.EPOCH_A), int(Field.WET_END_A), int(Field.GAIN_DRY), int(Field.FILL)
_BEFORE_A, _CUT_A = int(Field.BEFORE_A), int(Field.CUT_A)
_SLOT_STRIDE = int(Field.EPOCH_B - Field.EPOCH_A)
_N, _G, _Q = int(State.POSITION), int(State.GAIN_DRY), int(State.PRESENCE)
_RUN_START, _RUN_END, _WAS_FULL = int(State.RUN_START), int(State.RUN_END), int(State.WAS_FULL)
_KIND, _HOLE_ENGINE = int(State.HOLE_KIND), int(State.HOLE_ENGINE)


@njit(inline="always")
def _present(dry, wet, presence, fade, silent):  # type: ignore[no-untyped-def]
    """One sample of a slot: wet where it is there, dry or silence where not, between them on the ramp."""
    if presence == fade:
        return wet
    if presence == 0:
        return np.float32(0.0) if silent else dry
    part = np.float32(presence) / np.float32(fade)
    if silent:
        return part * wet
    return dry + part * (wet - dry)


@njit(inline="always")
def _toward(value, target, step):  # type: ignore[no-untyped-def]
    return value + min(max(target - value, -step), step)


@njit
def _see_runs(header, base, state, k):  # type: ignore[no-untyped-def]
    """Look what the engine has; wet_end before epoch, so that an end is never taken for an older run's."""
    engine_ready = load_acquire(base + 8 * _ACK) == header[_STREAM]
    for s in range(2):
        end = load_acquire(base + 8 * (_WET_END_A + s * _SLOT_STRIDE))
        epoch = load_acquire(base + 8 * (_EPOCH_A + s * _SLOT_STRIDE))
        if not engine_ready:
            continue
        if epoch == state[_RUN_START + s]:
            state[_RUN_END + s] = end
            continue
        before = load_acquire(base + 8 * (_BEFORE_A + s * _SLOT_STRIDE))
        cut = load_acquire(base + 8 * (_CUT_A + s * _SLOT_STRIDE))
        still = load_acquire(base + 8 * (_EPOCH_A + s * _SLOT_STRIDE)) == epoch  # both are of this epoch
        if still and before == state[_RUN_START + s]:  # what the old run brought since the last look
            state[_RUN_END + s] = max(state[_RUN_END + s], cut)
        if epoch == state[_RUN_END + s] and end > epoch:  # a take-over: the fade between the two runs is no hole
            state[_WAS_FULL + s] = 0
        if state[_RUN_END + s] <= k:  # the old run is played out
            state[_RUN_START + s], state[_RUN_END + s] = epoch, end


@njit
def _count_holes(header, base, state, now_ns):  # type: ignore[no-untyped-def]
    """One hole for all slots, from the first that falls short to the last that is back; counted when it closes."""
    fade, missing = header[_FADE], False
    for s in range(2):
        if header[_SLOTS] >> s & 1:
            if state[_Q + s] == fade:
                state[_WAS_FULL + s] = 1
            elif state[_WAS_FULL + s]:
                missing = True
    engine = load_acquire(base + 8 * _ENGINE)
    if missing:
        if state[_KIND] == 0:
            state[_KIND], state[_HOLE_ENGINE] = 1, engine
        if now_ns - load_acquire(base + 8 * _BEAT) > header[_STALL_NS]:
            state[_KIND] = max(state[_KIND], 2)
        if engine != state[_HOLE_ENGINE] or engine == 0:
            state[_KIND] = 3
    elif state[_KIND]:
        _close_hole(header, state)
    header[_HOLE] = state[_KIND]


@njit
def _close_hole(header, state):  # type: ignore[no-untyped-def]
    if state[_KIND]:
        header[_LATE + state[_KIND] - 1] += 1
        state[_KIND] = 0
        header[_HOLE] = 0


@njit
def _is_steady(header, state, first, size):  # type: ignore[no-untyped-def]
    """Whether no gain moves and both slots are, for the whole block, as present as they were."""
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
    """`_play_ramped` where nothing moves: the same sums, four times as fast."""
    size, channels = out.shape
    gain_dry = np.float32(state[_G]) * _GAIN_STEP
    gain_a = np.float32(state[_G + 1]) * _GAIN_STEP
    gain_b = np.float32(state[_G + 2]) * _GAIN_STEP
    for c in range(channels):
        dry, wet_a, wet_b, heard = rings[0, c], rings[1, c], rings[2, c], rings[3, c]
        for i in range(size):
            slot, total = (first + i) & mask, np.float32(0.0)
            if state[_G]:
                total = gain_dry * dry[slot]
            if state[_G + 1]:
                total = total + gain_a * wet_a[slot] if state[_G] else gain_a * wet_a[slot]
            if state[_G + 2]:
                total = total + gain_b * wet_b[slot] if state[_G] or state[_G + 1] else gain_b * wet_b[slot]
            out[i, c] = total
            heard[(n + i) & mask] = total


@njit
def _play_ramped(out, rings, header, state, n, first, mask):  # type: ignore[no-untyped-def]
    """Move gains and presence sample by sample; returns how many samples lay in a hole."""
    size, channels = out.shape
    fade = header[_FADE]
    silent, step, missed = header[_FILL] == 1, GAIN_ONE // fade, 0
    for i in range(size):
        k = first + i
        for g in range(3):
            state[_G + g] = _toward(state[_G + g], header[_GAIN + g], step)
        absent = False
        for s in range(2):
            there = 0
            start, end = state[_RUN_START + s], state[_RUN_END + s]
            if header[_SLOTS] >> s & 1 and end > start and (k >= start or start == 0):
                there = min(max(end - k, 0), fade)
            state[_Q + s] = min(state[_Q + s] + 1, there)
            absent = absent or (state[_WAS_FULL + s] and state[_Q + s] < fade)
        missed += absent
        for c in range(channels):
            dry = rings[0, c, k & mask] if k >= 0 else np.float32(0.0)
            total = np.float32(0.0)
            if state[_G]:
                total = np.float32(state[_G]) * _GAIN_STEP * dry
            for s in range(2):
                if state[_G + 1 + s]:
                    wet = rings[1 + s, c, k & mask] if k >= 0 else np.float32(0.0)
                    wet = _present(dry, wet, state[_Q + s], fade, silent)
                    wet = np.float32(state[_G + 1 + s]) * _GAIN_STEP * wet
                    # the first term is taken as it is: adding it to 0 would lose the sign of a zero
                    total = total + wet if state[_G] or (s == 1 and state[_G + 1]) else wet
            out[i, c] = total
            rings[3, c, (n + i) & mask] = total
    return missed


@njit
def _process_piece(inp, out, now_ns, header, base, rings, state):  # type: ignore[no-untyped-def]
    size, channels = inp.shape
    n, mask = state[_N], header[_CAPACITY] - 1
    for i in range(size):
        for c in range(channels):
            rings[0, c, (n + i) & mask] = inp[i, c]
    store_release(base + 8 * _DRY_END, n + size)

    first = n - header[_LATENCY]
    _see_runs(header, base, state, first)
    if _is_steady(header, state, first, size):
        _play_steady(out, rings, state, n, first, mask)
    else:
        header[_MISSED] += _play_ramped(out, rings, header, state, n, first, mask)
    state[_N] = n + size
    _count_holes(header, base, state, now_ns)
    header[_BLOCKS] += 1
    store_release(base + 8 * _PLAYED_END, n + size)


@njit(
    "void(float32[:, ::1], float32[:, ::1], int64, int64[::1], float32[:, :, ::1], int64[::1])",
    cache=True,
    nogil=True,
)
def process(inp, out, now_ns, header, rings, state):  # type: ignore[no-untyped-def]
    """Take a block of input [n, C] and play as much output into out [n, C]. Audio thread; any n.

    now_ns is the monotonic clock, to tell a late engine from a stalled one.
    """
    base = header.ctypes.data
    start, size = 0, inp.shape[0]
    while start < size:
        end = min(size, start + header[_MAX_BLOCK])
        _process_piece(inp[start:end], out[start:end], now_ns, header, base, rings, state)
        start = end


@njit("void(int64[::1], int64[::1])", cache=True, nogil=True)
def activate(header, state):  # type: ignore[no-untyped-def]
    """Begin a new stream at sample 0, and ask the engine to do so. Any thread, while none processes."""
    base = header.ctypes.data
    state[:] = 0
    for g in range(3):
        state[_G + g] = header[_GAIN + g]
    store_release(base + 8 * _DRY_END, 0)
    store_release(base + 8 * _PLAYED_END, 0)
    store_release(base + 8 * _STREAM, header[_STREAM] + 1)  # last: who sees it sees the counters at 0


@njit("void(int64[::1], int64[::1])", cache=True, nogil=True)
def close_hole(header, state):  # type: ignore[no-untyped-def]
    """Count the hole that is open when a stream ends. Any thread, while none processes."""
    _close_hole(header, state)


class HostSide:
    """A stream of blocks through a timeline; what a driver calls. One thread at a time."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.header, self.rings = timeline.header, timeline.rings
        self.state = np.zeros(State.SIZE, np.int64)
        activate(self.header, self.state)

    @property
    def position(self) -> int:
        """Input samples taken so far."""
        return int(self.state[State.POSITION])

    def process(self, inp: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> None:
        """One block, [n, C] each, contiguous."""
        now_ns = time.monotonic_ns()
        process(inp, out, now_ns, self.header, self.rings, self.state)
        self.header[Field.MAX_NS] = max(self.header[Field.MAX_NS], time.monotonic_ns() - now_ns)

    def count_xrun(self) -> None:
        """The device or the clock lost a block."""
        self.header[Field.XRUNS] += 1

    def finish(self) -> None:
        """The stream has ended: count the hole that is still open."""
        close_hole(self.header, self.state)

    def close(self) -> None:
        """Let go of the timeline's memory."""
        del self.header, self.rings


def misses(timeline: Timeline) -> dict[str, int]:
    """Holes by kind, counted since the timeline was made. Any thread."""
    return {kind: int(timeline.header[field]) for kind, field in MISS_KINDS.items()}
