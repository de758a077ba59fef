"""Clock-drift compensation for separate input and output devices.

Input is resampled to the output device's clock at a constant delay:

    capture callback ──► ring of samples ──► windowed sinc, read at a moving position ──► output callback
                    └──► ring of timestamps (sample, time) ──► clock model of the input ┐
                         callbacks of the output ──► clock model of the output ─────────┴► position =
                                                                            input(time(n)) - DELAY

Each device's clock is a line (clock_model.py). Output sample n is handed over at the time given by
the output's line, and reads the input sample that the input's line gives for that time, DELAY
samples earlier. So the delay is constant and the ratio equals the drift; no control loop regulates
a fill level. The position advances evenly within a block and is pulled gently to its target. It
jumps, with a fade, only after a device has lost samples. Where the input has not arrived yet, the
output fades to silence before the input ends and back afterwards, while the position advances: a
dropout shifts nothing.

One thread per callback; each ring has one writer and one reader. Nothing waits or allocates.

    controlling the ratio by time instead of fill: F. Adriaensen, Controlling adaptive resampling, LAC 2012
"""

from __future__ import annotations

import ctypes
import math
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, cfunc, njit, types

from realtime.drivers.portaudio import clock_model
from realtime.drivers.portaudio.clock_model import ClockField
from realtime.drivers.portaudio.numba_pointers import (
    DOUBLES,
    FLOATS,
    INTEGERS,
    UNSIGNED_LONG,
    doubles_at,
    floats_at,
    load_field,
)
from realtime.dsp.resampler import kernel
from realtime.system.atomics import load_acquire, store_release
from realtime.system.enum_constants import enum_constants
from realtime.system.platform.compiled_clock import compile_clock, integers_at

CHANNELS = 2
RING_SAMPLES = 1 << 16
TIMESTAMPS = 1 << 12
PHASES = 512  # between two input samples; linear between them: -105 dB
FADE = 64  # samples
JITTER_MARGIN_S = 0.003  # a shared core is late by this much now and then
DELAY_STEP = 32  # samples; delays are multiples of it, so that each start gets the same one
SLEW_S = 2.0  # time constant of the correction of a small position error
SLEW_LIMIT = 5e-4  # of the rate
RESYNC_S = 0.002  # a larger error means lost samples


class BridgeField(IntEnum):
    """Indices into the int64 memory: of the control thread, capture, and output callback."""

    SAMPLES = 0  # address of float32 [CHANNELS, 2 * RING_SAMPLES]; written twice, so that any window is contiguous
    TIMESTAMPS = 1  # address of int64 [TIMESTAMPS, 2]: samples captured, time in ns
    KERNEL = 2  # address of float32 [PHASES + 1, 2 * HALF]
    FLOATS = 3  # address of float64 [BridgeFloat.SIZE]
    HALF = 4
    INPUTS = 5  # number of channels of the input device
    IN_LEFT = 6  # its left and right channel
    IN_RIGHT = 7
    ORIGIN_NS = 8
    DELAY = 10  # input samples; 0: measure only, play silence
    IN_RATE = 11
    OUT_RATE = 12
    RATE_RATIO_CEIL = 13  # input samples for one output sample, rounded up
    CAPTURED = 32  # samples
    TIMESTAMPS_WRITTEN = 33
    OVERFLOWS = 34  # blocks before which the device lost samples
    CLOCK = 36  # 36, 37: scratch
    PLAYED = 48  # output samples
    TIMESTAMPS_READ = 49
    POSITION = 50  # input sample to read next; its fraction is a BridgeFloat
    LOCKED = 51  # 1 once POSITION is valid
    RELOCKING = 52  # 1 while fading out before a jump
    LEVEL = 53  # of FADE
    UNDERRUNS = 54  # input that had not arrived in time
    RESYNCS = 55  # jumps of the position
    MAX_INPUT_LAG = 56  # the most by which captured input was behind its clock model, samples
    SIZE = 64


class BridgeFloat(IntEnum):
    """Indices into the float64 memory of the output callback."""

    FRACTION = 0  # of POSITION
    STEP = 1  # input samples per output sample in this block
    IN_CLOCK = 8  # ClockField.SIZE values
    OUT_CLOCK = 16
    SIZE = 24


_F, _D, _C = enum_constants(BridgeField), enum_constants(BridgeFloat), enum_constants(ClockField)


@njit
def capture(memory, device_in, size, now_ns):  # type: ignore[no-untyped-def]
    """Write device_in [size, INPUTS] to the ring with a timestamp. Capture thread."""
    ring = carray(floats_at(memory[_F.SAMPLES]), (CHANNELS, 2 * RING_SAMPLES))
    timestamps = carray(integers_at(memory[_F.TIMESTAMPS]), (TIMESTAMPS, 2))
    at, stamp = memory[_F.CAPTURED], memory[_F.TIMESTAMPS_WRITTEN]
    for c in range(CHANNELS):
        channel = memory[_F.IN_LEFT + c]
        for i in range(size):
            slot = (at + i) & (RING_SAMPLES - 1)
            ring[c, slot] = ring[c, slot + RING_SAMPLES] = device_in[i, channel]
    timestamps[stamp & (TIMESTAMPS - 1), 0] = at + size
    timestamps[stamp & (TIMESTAMPS - 1), 1] = now_ns
    store_release(memory.ctypes.data + 8 * _F.CAPTURED, at + size)
    store_release(memory.ctypes.data + 8 * _F.TIMESTAMPS_WRITTEN, stamp + 1)


@njit
def on_block(address, size, now_ns):  # type: ignore[no-untyped-def]
    """Start an output block of `size` samples: update both clocks, set the position's step.

    Output thread.
    """
    memory = carray(integers_at(address), (_F.SIZE,))
    floats = carray(doubles_at(memory[_F.FLOATS]), (_D.SIZE,))
    in_clock, out_clock = floats[_D.IN_CLOCK : _D.IN_CLOCK + _C.SIZE], floats[_D.OUT_CLOCK : _D.OUT_CLOCK + _C.SIZE]
    timestamps = carray(integers_at(memory[_F.TIMESTAMPS]), (TIMESTAMPS, 2))
    written = load_acquire(address + 8 * _F.TIMESTAMPS_WRITTEN)
    for k in range(max(memory[_F.TIMESTAMPS_READ], written - TIMESTAMPS // 2), written):
        stamp = k & (TIMESTAMPS - 1)
        seconds = 1e-9 * (timestamps[stamp, 1] - memory[_F.ORIGIN_NS])
        clock_model.update(in_clock, float(timestamps[stamp, 0]), seconds)
    memory[_F.TIMESTAMPS_READ] = written
    clock_model.update(out_clock, float(memory[_F.PLAYED]), 1e-9 * (now_ns - memory[_F.ORIGIN_NS]))
    if not (clock_model.is_settled(in_clock) and clock_model.is_settled(out_clock)):
        return
    here = clock_model.sample_at(in_clock, clock_model.time_of(out_clock, memory[_F.PLAYED]))
    memory[_F.MAX_INPUT_LAG] = max(memory[_F.MAX_INPUT_LAG], int(here - load_acquire(address + 8 * _F.CAPTURED)))
    if memory[_F.DELAY] == 0:
        return
    target = here - memory[_F.DELAY]
    if not memory[_F.LOCKED]:
        _set_position(memory, floats, target)
        memory[_F.LOCKED] = 1
    off = target - memory[_F.POSITION] - floats[_D.FRACTION]
    if abs(off) > RESYNC_S * memory[_F.IN_RATE] and not memory[_F.RELOCKING]:
        memory[_F.RELOCKING] = 1
        memory[_F.RESYNCS] += 1
    slew = min(max(off / (SLEW_S * memory[_F.IN_RATE]), -SLEW_LIMIT), SLEW_LIMIT)
    floats[_D.STEP] = out_clock[_C.SAMPLE_PERIOD] / in_clock[_C.SAMPLE_PERIOD] * (1.0 + slew)


@njit
def _set_position(memory, floats, target):  # type: ignore[no-untyped-def]
    whole = math.floor(target)
    memory[_F.POSITION], floats[_D.FRACTION] = whole, target - whole


@njit
def resample(address, out):  # type: ignore[no-untyped-def]
    """Write the next input to out [n, 2] at the output's rate; all pieces of a block in order.

    Output thread.
    """
    memory = carray(integers_at(address), (_F.SIZE,))
    floats = carray(doubles_at(memory[_F.FLOATS]), (_D.SIZE,))
    first, size = memory[_F.PLAYED], out.shape[0]
    memory[_F.PLAYED] = first + size
    if not memory[_F.LOCKED]:
        out[:, :] = np.float32(0.0)
        return
    captured, half, taps = load_acquire(address + 8 * _F.CAPTURED), memory[_F.HALF], 2 * memory[_F.HALF]
    ring = carray(floats_at(memory[_F.SAMPLES]), (CHANNELS, 2 * RING_SAMPLES))
    table = carray(floats_at(memory[_F.KERNEL]), (PHASES + 1, taps))
    level = memory[_F.LEVEL]
    for i in range(size):
        if memory[_F.RELOCKING] and level == 0:
            in_clock = floats[_D.IN_CLOCK : _D.IN_CLOCK + _C.SIZE]
            out_clock = floats[_D.OUT_CLOCK : _D.OUT_CLOCK + _C.SIZE]
            here = clock_model.sample_at(in_clock, clock_model.time_of(out_clock, float(first + i)))
            _set_position(memory, floats, here - memory[_F.DELAY])
            memory[_F.RELOCKING] = 0
        at = memory[_F.POSITION]
        available = min(max((captured - at - half - 1) // memory[_F.RATE_RATIO_CEIL], 0), FADE)
        if at - half < captured - RING_SAMPLES // 2:  # the writer may be overwriting it
            available = 0
        if level == FADE and available < FADE and not memory[_F.RELOCKING]:
            memory[_F.UNDERRUNS] += 1
        level = min(level + 1, available) if not memory[_F.RELOCKING] else min(level - 1, available)
        if level > 0:
            _convolve(ring, table, (at - half + 1) & (RING_SAMPLES - 1), floats[_D.FRACTION], level, taps, out, i)
        else:
            out[i, 0] = out[i, 1] = np.float32(0.0)
        ahead = floats[_D.FRACTION] + floats[_D.STEP]
        whole = int(ahead)
        memory[_F.POSITION], floats[_D.FRACTION] = at + whole, ahead - whole
    memory[_F.LEVEL] = level


@njit
def loss_count(address):  # type: ignore[no-untyped-def]
    """Return the number of losses between the two devices so far."""
    memory = carray(integers_at(address), (_F.SIZE,))
    return load_acquire(address + 8 * _F.OVERFLOWS) + memory[_F.UNDERRUNS] + memory[_F.RESYNCS]


@njit(fastmath={"reassoc", "contract"})
def _convolve(ring, table, first, fraction, level, taps, out, i):  # type: ignore[no-untyped-def]
    """Compute one sample of both channels with a kernel between two rows of the table."""
    row = int(fraction * PHASES)
    part = np.float32(fraction * PHASES - row)
    left = right = np.float32(0.0)
    for t in range(taps):
        tap = table[row, t] + part * (table[row + 1, t] - table[row, t])
        left += tap * ring[0, first + t]
        right += tap * ring[1, first + t]
    gain = np.float32(level) * np.float32(1.0 / FADE)
    out[i, 0], out[i, 1] = gain * left, gain * right


@lru_cache(maxsize=1)
def compile_capture() -> Any:
    """Compile the capture callback to a numba cfunc; its user data is a compensator's memory."""
    now_ns = compile_clock()

    @cfunc(types.intc(FLOATS, FLOATS, UNSIGNED_LONG, DOUBLES, UNSIGNED_LONG, INTEGERS), nopython=True)
    def callback(inp, out, count, time_info, flags, address):  # type: ignore[no-untyped-def]
        memory = carray(address, (_F.SIZE,))
        size = types.int64(count)
        if types.int64(flags) & 2:
            store_release(memory.ctypes.data + 8 * _F.OVERFLOWS, memory[_F.OVERFLOWS] + 1)
        now = now_ns(memory.ctypes.data + 8 * _F.CLOCK)
        capture(memory, carray(inp, (size, memory[_F.INPUTS])), size, now)
        return 0

    return callback


class DriftCompensator:
    """Memory of both callbacks, with everything it points to. Must outlive the streams."""

    def __init__(self, inputs: tuple[int, int], rate_in: int, rate_out: int, delay: int, origin_ns: int) -> None:
        """`inputs` are the left and right channel, from 0; rates in Hz, `delay` in input samples.

        With delay 0 it plays silence and measures the delay that is needed. origin_ns is the
        monotonic clock now.
        """
        self.memory: npt.NDArray[np.int64] = np.zeros(BridgeField.SIZE, np.int64)
        self._samples = np.zeros((CHANNELS, 2 * RING_SAMPLES), np.float32)
        self._timestamps = np.zeros((TIMESTAMPS, 2), np.int64)
        self.floats, self._times = np.zeros(BridgeFloat.SIZE), np.zeros(3)
        rows = kernel(PHASES, min(1.0, rate_out / rate_in))
        last = np.concatenate([[0.0], rows[0, :-1]])  # phase 1: the first row, one sample later
        self._kernel = np.ascontiguousarray(np.vstack([rows, last]), np.float32)
        clock_model.reset(self._clock(BridgeFloat.IN_CLOCK), rate_in)
        clock_model.reset(self._clock(BridgeFloat.OUT_CLOCK), rate_out)
        self.floats[BridgeFloat.STEP] = rate_in / rate_out
        m, f = self.memory, BridgeField
        m[f.SAMPLES], m[f.TIMESTAMPS] = self._samples.ctypes.data, self._timestamps.ctypes.data
        m[f.KERNEL], m[f.FLOATS] = self._kernel.ctypes.data, self.floats.ctypes.data
        m[f.HALF], m[f.INPUTS] = rows.shape[1] // 2, max(inputs) + 1
        m[f.IN_LEFT], m[f.IN_RIGHT] = inputs
        m[f.ORIGIN_NS], m[f.DELAY] = origin_ns, delay
        m[f.IN_RATE], m[f.OUT_RATE], m[f.RATE_RATIO_CEIL] = rate_in, rate_out, math.ceil(rate_in / rate_out)

    def __getitem__(self, field: BridgeField) -> int:
        """Return one field, loaded with acquire. Any thread."""
        return int(load_field(self.memory, int(field)))

    def _clock(self, start: BridgeFloat) -> npt.NDArray[np.float64]:
        return self.floats[start : start + ClockField.SIZE]

    @property
    def settled(self) -> bool:
        """True once both clocks are known."""
        clocks = (BridgeFloat.IN_CLOCK, BridgeFloat.OUT_CLOCK)
        return all(bool(clock_model.is_settled(self._clock(clock))) for clock in clocks)

    def settled_for(self, seconds: float) -> bool:
        """Return True if both clocks have been known for that long."""
        clock = self._clock(BridgeFloat.OUT_CLOCK)
        samples = clock[ClockField.SAMPLE] - clock[ClockField.FIRST_SAMPLE]
        needed = (clock_model.SETTLE_S + seconds) * self.memory[BridgeField.OUT_RATE]
        return self.settled and bool(samples >= needed)

    @property
    def drift_ppm(self) -> float:
        """Drift of the input's clock against the output's, ppm; positive: the input is faster."""
        period_in = self._clock(BridgeFloat.IN_CLOCK)[ClockField.SAMPLE_PERIOD] * self.memory[BridgeField.IN_RATE]
        period_out = self._clock(BridgeFloat.OUT_CLOCK)[ClockField.SAMPLE_PERIOD] * self.memory[BridgeField.OUT_RATE]
        return 1e6 * float(period_out / period_in - 1.0)

    @property
    def losses(self) -> dict[str, int]:
        """Number of lost input blocks, of late input, and of jumps after losses, by kind."""
        kinds = {
            "input_overflow": BridgeField.OVERFLOWS,
            "input_late": BridgeField.UNDERRUNS,
            "input_jump": BridgeField.RESYNCS,
        }
        return {kind: self[field] for kind, field in kinds.items()}

    def call_from_python(self, device_in: Any, size: int, seconds: float, overflow: bool) -> None:
        """Run the capture callback through Python, where sounddevice takes no compiled one.

        It needs the GIL.
        """
        self._times[1] = seconds
        compile_capture().ctypes(
            ctypes.cast(device_in.ctypes.data, ctypes.POINTER(ctypes.c_float)),
            ctypes.cast(0, ctypes.POINTER(ctypes.c_float)),
            size,
            ctypes.cast(self._times.ctypes.data, ctypes.POINTER(ctypes.c_double)),
            2 * overflow,
            ctypes.cast(self.memory.ctypes.data, ctypes.POINTER(ctypes.c_int64)),
        )

    def delay_for(self, block: int) -> int:
        """Return the delay in input samples for output blocks of this size, once measured."""
        m, f = self.memory, BridgeField
        needed = self[f.MAX_INPUT_LAG] + m[f.HALF] + 1 + m[f.RATE_RATIO_CEIL] * FADE
        needed += block * m[f.IN_RATE] / m[f.OUT_RATE] + JITTER_MARGIN_S * m[f.IN_RATE]
        return DELAY_STEP * math.ceil(float(needed) / DELAY_STEP)
