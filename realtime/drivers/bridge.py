"""Two cards on two clocks: what one hears is resampled to the other's clock before it is `dry`, always equally late.

    capture callback ──► ring of samples ──► windowed sinc, read at a moving position ──► output callback
                    └──► ring of stamps (sample, time) ──► line of the input ┐
                         callbacks of the output ────────► line of the output ┴► position = input(time(n)) - DELAY

Each card's clock is a line (line.py). Output sample n is handed over at the time that the output's line says, and reads
the input sample that the input's line says for that time, DELAY samples before. So the delay is a constant and the
ratio is the drift: no loop hunts for a fill level. The position moves evenly through a block and is drawn gently to
that place; only where a card has lost samples does it jump, faded. Where the input is not there yet, the output fades
to silence before its end and back afterwards, and the position moves on: a hole shifts nothing.

One thread for each callback; the rings have one writer and one reader. Nothing waits, nothing is allocated.

    controlling the ratio by time and not by fill: F. Adriaensen, Controlling adaptive resampling, LAC 2012
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

from realtime.atomic import load_acquire, store_release
from realtime.drivers import line
from realtime.drivers.raw import (
    DOUBLES,
    FLOATS,
    INTEGERS,
    compile_clock,
    doubles_at,
    floats_at,
    integers_at,
    load_field,
)
from realtime.resample import kernel

CHANNELS = 2
RING = 1 << 16  # samples
STAMPS = 1 << 12
PHASES = 512  # between two input samples; linear between them: -105 dB
FADE = 64  # samples
MARGIN_S = 0.003  # a shared core is late by this much now and then
GRID = 32  # samples; delays are multiples of this, to be the same at each start
PULL_S = 2.0  # in which the position makes up for most of a small error
PULL = 5e-4  # at most, of the rate
JUMP_S = 0.002  # an error beyond this is a loss


class Memory(IntEnum):
    """int64 each: addresses and what the control thread writes, the capture callback's, the output callback's."""

    SAMPLES = 0  # float32 [CHANNELS, 2 * RING]: all is written twice, so that what is read lies together
    STAMPS = 1  # int64 [STAMPS, 2]: samples captured, and when, ns
    KERNEL = 2  # float32 [PHASES + 1, 2 * HALF]
    FLOATS = 3  # float64 [SIZE of Floats]
    HALF = 4
    INPUTS = 5  # channels of the input card
    IN_LEFT = 6  # those that are left and right
    IN_RIGHT = 7
    ORIGIN_NS = 8
    CLOCK_OFFSET = 9
    DELAY = 10  # input samples; 0: only look on, play silence
    IN_RATE = 11
    OUT_RATE = 12
    STEEP = 13  # input samples that an output sample takes, rounded up
    CAPTURED = 32  # samples
    STAMPED = 33
    OVERFLOWS = 34  # blocks before which the card lost something
    CLOCK = 36  # 36, 37: scratch
    PLAYED = 48  # output samples
    SEEN = 49  # stamps
    POSITION = 50  # input sample to read next; its fraction is in Floats
    SEATED = 51
    LEAVING = 52  # on the way to a jump
    LEVEL = 53  # of FADE
    SHORT = 54  # holes: the input was not there in time
    JUMPS = 55
    LAG = 56  # the most by which the input was behind its line when the output asked, samples
    SIZE = 64


class Floats(IntEnum):
    FRACTION = 0
    STEP = 1  # input samples an output sample, in this block
    IN_LINE = 8
    OUT_LINE = 16
    SIZE = 24


_SAMPLES, _STAMPS, _KERNEL, _FLOATS, _HALF = 0, 1, 2, 3, 4
_INPUTS, _IN, _ORIGIN, _OFFSET, _DELAY = 5, 6, 8, 9, 10
_IN_RATE, _OUT_RATE, _STEEP = 11, 12, 13
_CAPTURED, _STAMPED, _OVERFLOWS, _CLOCK = 32, 33, 34, 36
_PLAYED, _SEEN, _POSITION, _SEATED, _LEAVING, _LEVEL = 48, 49, 50, 51, 52, 53
_SHORT, _JUMPS, _LAG, _SIZE = 54, 55, 56, int(Memory.SIZE)
_FRACTION, _STEP, _IN_LINE, _OUT_LINE, _ALL_FLOATS = 0, 1, 8, 16, int(Floats.SIZE)
_LINE, _PERIOD = int(line.Part.SIZE), int(line.Part.PERIOD)


@njit
def capture(memory, card_in, size, now_ns):  # type: ignore[no-untyped-def]
    """Take [size, INPUTS] into the ring. The input's thread."""
    ring = carray(floats_at(memory[_SAMPLES]), (CHANNELS, 2 * RING))
    stamps = carray(integers_at(memory[_STAMPS]), (STAMPS, 2))
    at, stamp = memory[_CAPTURED], memory[_STAMPED]
    for c in range(CHANNELS):
        channel = memory[_IN + c]
        for i in range(size):
            slot = (at + i) & (RING - 1)
            ring[c, slot] = ring[c, slot + RING] = card_in[i, channel]
    stamps[stamp & (STAMPS - 1), 0] = at + size
    stamps[stamp & (STAMPS - 1), 1] = now_ns
    store_release(memory.ctypes.data + 8 * _CAPTURED, at + size)
    store_release(memory.ctypes.data + 8 * _STAMPED, stamp + 1)


@njit
def meet(address, size, now_ns):  # type: ignore[no-untyped-def]
    """An output block of `size` begins: draw both lines, and plan how the position moves through it."""
    memory = carray(integers_at(address), (_SIZE,))
    floats = carray(doubles_at(memory[_FLOATS]), (_ALL_FLOATS,))
    heard, played = floats[_IN_LINE : _IN_LINE + _LINE], floats[_OUT_LINE : _OUT_LINE + _LINE]
    stamps = carray(integers_at(memory[_STAMPS]), (STAMPS, 2))
    stamped = load_acquire(address + 8 * _STAMPED)
    for k in range(max(memory[_SEEN], stamped - STAMPS // 2), stamped):
        stamp = k & (STAMPS - 1)
        line.draw(heard, float(stamps[stamp, 0]), 1e-9 * (stamps[stamp, 1] - memory[_ORIGIN]))
    memory[_SEEN] = stamped
    line.draw(played, float(memory[_PLAYED]), 1e-9 * (now_ns - memory[_ORIGIN]))
    if not (line.is_settled(heard) and line.is_settled(played)):
        return
    here = line.sample_at(heard, line.time_of(played, memory[_PLAYED]))
    memory[_LAG] = max(memory[_LAG], int(here - load_acquire(address + 8 * _CAPTURED)))
    if memory[_DELAY] == 0:
        return
    wanted = here - memory[_DELAY]
    if not memory[_SEATED]:
        _seat(memory, floats, wanted)
        memory[_SEATED] = 1
    off = wanted - memory[_POSITION] - floats[_FRACTION]
    if abs(off) > JUMP_S * memory[_IN_RATE] and not memory[_LEAVING]:
        memory[_LEAVING] = 1
        memory[_JUMPS] += 1
    pull = off / (PULL_S * memory[_IN_RATE])
    floats[_STEP] = played[_PERIOD] / heard[_PERIOD] * (1.0 + min(max(pull, -PULL), PULL))


@njit
def _seat(memory, floats, wanted):  # type: ignore[no-untyped-def]
    whole = math.floor(wanted)
    memory[_POSITION], floats[_FRACTION] = whole, wanted - whole


@njit
def take(address, out):  # type: ignore[no-untyped-def]
    """The next of the input into out [n, 2], at the output's rate; all of a block's pieces in turn."""
    memory = carray(integers_at(address), (_SIZE,))
    floats = carray(doubles_at(memory[_FLOATS]), (_ALL_FLOATS,))
    first, size = memory[_PLAYED], out.shape[0]
    memory[_PLAYED] = first + size
    if not memory[_SEATED]:
        out[:, :] = np.float32(0.0)
        return
    captured, half, taps = load_acquire(address + 8 * _CAPTURED), memory[_HALF], 2 * memory[_HALF]
    ring = carray(floats_at(memory[_SAMPLES]), (CHANNELS, 2 * RING))
    table = carray(floats_at(memory[_KERNEL]), (PHASES + 1, taps))
    level = memory[_LEVEL]
    for i in range(size):
        if memory[_LEAVING] and level == 0:
            heard, played = floats[_IN_LINE : _IN_LINE + _LINE], floats[_OUT_LINE : _OUT_LINE + _LINE]
            here = line.sample_at(heard, line.time_of(played, float(first + i)))
            _seat(memory, floats, here - memory[_DELAY])
            memory[_LEAVING] = 0
        at = memory[_POSITION]
        there = min(max((captured - at - half - 1) // memory[_STEEP], 0), FADE)
        if at - half < captured - RING // 2:  # it is being written over
            there = 0
        if level == FADE and there < FADE and not memory[_LEAVING]:
            memory[_SHORT] += 1
        level = min(level + 1, there) if not memory[_LEAVING] else min(level - 1, there)
        if level > 0:
            _convolve(ring, table, (at - half + 1) & (RING - 1), floats[_FRACTION], level, taps, out, i)
        else:
            out[i, 0] = out[i, 1] = np.float32(0.0)
        ahead = floats[_FRACTION] + floats[_STEP]
        whole = int(ahead)
        memory[_POSITION], floats[_FRACTION] = at + whole, ahead - whole
    memory[_LEVEL] = level


@njit
def losses(address):  # type: ignore[no-untyped-def]
    """Everything that was lost between the two cards, so far."""
    memory = carray(integers_at(address), (_SIZE,))
    return load_acquire(address + 8 * _OVERFLOWS) + memory[_SHORT] + memory[_JUMPS]


@njit(fastmath={"reassoc", "contract"})
def _convolve(ring, table, first, fraction, level, taps, out, i):  # type: ignore[no-untyped-def]
    """One sample of both channels, between two rows of the table."""
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
    """The input's callback as a numba cfunc, a PaStreamCallback whose user data is a bridge's memory."""
    now_ns = compile_clock()

    @cfunc(types.intc(FLOATS, FLOATS, types.ulong, DOUBLES, types.ulong, INTEGERS), nopython=True)
    def callback(inp, out, count, time_info, flags, address):  # type: ignore[no-untyped-def]
        memory = carray(address, (_SIZE,))
        size = types.int64(count)
        if types.int64(flags) & 2:
            store_release(memory.ctypes.data + 8 * _OVERFLOWS, memory[_OVERFLOWS] + 1)
        now = now_ns(memory.ctypes.data + 8 * _CLOCK, time_info, memory[_OFFSET])
        capture(memory, carray(inp, (size, memory[_INPUTS])), size, now)
        return 0

    return callback


class Bridge:
    """The memory of both callbacks, and what keeps it alive. Must outlive the streams that use it."""

    def __init__(self, inputs: tuple[int, int], rate_in: int, rate_out: int, delay: int, origin_ns: int) -> None:
        """Channels of the input card, from 0, for left and right; both cards' rates, Hz; `delay` in input samples.

        With delay 0 it plays silence and finds out what delay is needed. origin_ns is the monotonic clock now.
        """
        self.memory: npt.NDArray[np.int64] = np.zeros(Memory.SIZE, np.int64)
        self._samples = np.zeros((CHANNELS, 2 * RING), np.float32)
        self._stamps = np.zeros((STAMPS, 2), np.int64)
        self._floats, self._times = np.zeros(Floats.SIZE), np.zeros(3)
        rows = kernel(PHASES, min(1.0, rate_out / rate_in))
        last = np.concatenate([[0.0], rows[0, :-1]])  # phase 1: the first one, a sample later
        self._kernel = np.ascontiguousarray(np.vstack([rows, last]), np.float32)
        for part, rate in ((Floats.IN_LINE, rate_in), (Floats.OUT_LINE, rate_out)):
            line.begin(self._floats[part : part + line.Part.SIZE], rate)
        self._floats[Floats.STEP] = rate_in / rate_out
        m = self.memory
        m[Memory.SAMPLES], m[Memory.STAMPS] = self._samples.ctypes.data, self._stamps.ctypes.data
        m[Memory.KERNEL], m[Memory.FLOATS] = self._kernel.ctypes.data, self._floats.ctypes.data
        m[Memory.HALF], m[Memory.INPUTS] = rows.shape[1] // 2, max(inputs) + 1
        m[Memory.IN_LEFT], m[Memory.IN_RIGHT] = inputs
        m[Memory.ORIGIN_NS], m[Memory.DELAY] = origin_ns, delay
        m[Memory.IN_RATE], m[Memory.OUT_RATE], m[Memory.STEEP] = rate_in, rate_out, math.ceil(rate_in / rate_out)

    def __getitem__(self, field: Memory) -> int:
        """A counter, acquired."""
        return int(load_field(self.memory, int(field)))

    @property
    def settled(self) -> bool:
        """Whether both clocks are known."""
        lines = (Floats.IN_LINE, Floats.OUT_LINE)
        return all(bool(line.is_settled(self._floats[part : part + line.Part.SIZE])) for part in lines)

    def watched(self, seconds: float) -> bool:
        """Whether both clocks have been known for so long."""
        first, now = (self._floats[Floats.OUT_LINE + part] for part in (line.Part.FIRST, line.Part.AT))
        return self.settled and bool(now - first >= (line.SETTLE_S + seconds) * self.memory[Memory.OUT_RATE])

    @property
    def drift_ppm(self) -> float:
        """By how much the input's clock runs faster than the output's, millionths, beyond their nominal rates."""
        heard = self._floats[Floats.IN_LINE + line.Part.PERIOD] * self.memory[Memory.IN_RATE]
        played = self._floats[Floats.OUT_LINE + line.Part.PERIOD] * self.memory[Memory.OUT_RATE]
        return 1e6 * float(played / heard - 1.0)

    @property
    def lost(self) -> dict[str, int]:
        """By kind: blocks before which the input card lost something, input that came late, jumps after losses."""
        kinds = {"input_overflow": Memory.OVERFLOWS, "input_late": Memory.SHORT, "input_jump": Memory.JUMPS}
        return {kind: self[field] for kind, field in kinds.items()}

    def call(self, card_in: Any, size: int, seconds: float, overflow: bool) -> None:
        """The same callback, by way of Python: the fallback, as in border.py."""
        self._times[1] = seconds
        compile_capture().ctypes(
            ctypes.cast(card_in.ctypes.data, ctypes.POINTER(ctypes.c_float)),
            ctypes.cast(0, ctypes.POINTER(ctypes.c_float)),
            size,
            ctypes.cast(self._times.ctypes.data, ctypes.POINTER(ctypes.c_double)),
            2 * overflow,
            ctypes.cast(self.memory.ctypes.data, ctypes.POINTER(ctypes.c_int64)),
        )

    def delay_for(self, block: int) -> int:
        """The delay, input samples, that output blocks of this size need after what was seen."""
        m = self.memory
        needed = self[Memory.LAG] + m[Memory.HALF] + 1 + m[Memory.STEEP] * FADE
        needed += block * m[Memory.IN_RATE] / m[Memory.OUT_RATE] + MARGIN_S * m[Memory.IN_RATE]
        return GRID * math.ceil(float(needed) / GRID)
