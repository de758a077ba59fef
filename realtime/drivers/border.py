"""The border to PortAudio: the callback that a sound card calls, compiled, and the memory it works on.

It needs no interpreter: it runs on while the GIL is held elsewhere (docs: the fallbacks of device.py do not). What
PortAudio calls a frame is a sample here and its buffer a block. Blocks may be of any size and may vary. Any card's
channels become the stereo of the host side and back:

    card [n, inputs] ─► left, right ─► callback.process [n, 2] ─► fade ─► left, right of card [n, outputs]

The output is silent for `MUTED` samples after a stream opens, then faded in; at full level it is untouched to the bit.
"""

from __future__ import annotations

import ctypes
import sys
import time
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import carray, cfunc, njit, types
from numba.extending import intrinsic

from realtime.atomic import load_acquire, store_release
from realtime.callback import HostSide, State, process
from realtime.timeline import RINGS, Field

_FLOATS, _DOUBLES, _INTEGERS = (ctypes.POINTER(t) for t in (ctypes.c_float, ctypes.c_double, ctypes.c_int64))
FADE_IN = 4096  # samples; a power of two, so that every step is exact
PIECE = 1024  # samples worked on at once; larger blocks are played in pieces
CHANNELS = 2  # of the host side


class Memory(IntEnum):
    """What the callback knows, int64 each. The control thread writes the upper part, the callback the lower."""

    HEADER = 0  # addresses; a HEADER of 0 plays silence and only counts: a probe
    RINGS = 1
    STATE = 2
    CAPACITY = 3
    SCRATCH = 4  # float32 [2, PIECE, 2]
    INPUTS = 5  # channels of the card
    OUTPUTS = 6
    IN_LEFT = 7  # channels of the card that are left and right
    IN_RIGHT = 8
    OUT_LEFT = 9
    OUT_RIGHT = 10
    TARGET = 11  # level to move to, of FADE_IN
    CLOCK_OFFSET = 12  # ns from the stream's clock to the monotonic one, where the system has no clock to call
    LEVEL = 32
    MUTED = 33  # samples of silence left
    BLOCKS = 34
    LARGEST = 35  # samples in a block, so far
    INPUT_UNDERFLOW = 36  # blocks by PortAudio's flags
    INPUT_OVERFLOW = 37
    OUTPUT_UNDERFLOW = 38
    OUTPUT_OVERFLOW = 39
    SECONDS = 40  # of the clock, scratch
    NANOSECONDS = 41
    SAMPLES = 42  # in all blocks
    SIZE = 64


XRUNS = {  # by kind; the bit of PortAudio's flags is the place in this table
    "input_underflow": Memory.INPUT_UNDERFLOW,
    "input_overflow": Memory.INPUT_OVERFLOW,
    "output_underflow": Memory.OUTPUT_UNDERFLOW,
    "output_overflow": Memory.OUTPUT_OVERFLOW,
}

# numba freezes globals into the code; plain integers, as in callback.py
_HEADER, _RINGS, _STATE, _CAPACITY = int(Memory.HEADER), int(Memory.RINGS), int(Memory.STATE), int(Memory.CAPACITY)
_SCRATCH, _INPUTS, _OUTPUTS = int(Memory.SCRATCH), int(Memory.INPUTS), int(Memory.OUTPUTS)
_IN, _OUT, _TARGET, _OFFSET = (
    int(Memory.IN_LEFT),
    int(Memory.OUT_LEFT),
    int(Memory.TARGET),
    int(Memory.CLOCK_OFFSET),
)
_LEVEL, _MUTED, _BLOCKS, _LARGEST = int(Memory.LEVEL), int(Memory.MUTED), int(Memory.BLOCKS), int(Memory.LARGEST)
_KINDS, _CLOCK, _SAMPLES, _SIZE = (
    int(Memory.INPUT_UNDERFLOW),
    int(Memory.SECONDS),
    int(Memory.SAMPLES),
    int(Memory.SIZE),
)
_HEADER_SIZE, _STATE_SIZE, _ALL_RINGS, _HOST_XRUNS = 512, int(State.SIZE), RINGS, int(Field.XRUNS)
_ALL_XRUNS = 15  # the four flags; a fifth says that the output is being primed, which is no loss


@intrinsic
def _floats_at(typing_context: Any, address: Any) -> Any:
    """The float32 pointer of an address."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], ir.FloatType().as_pointer())

    return types.CPointer(types.float32)(types.int64), emit


@intrinsic
def _integers_at(typing_context: Any, address: Any) -> Any:
    """The int64 pointer of an address."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], ir.IntType(64).as_pointer())

    return types.CPointer(types.int64)(types.int64), emit


@njit(inline="always")
def _fade(memory, out, size):  # type: ignore[no-untyped-def]
    """Silence while MUTED, then level by level up, or down to TARGET; nothing at full level."""
    level, target = memory[_LEVEL], memory[_TARGET]
    if level == FADE_IN and target == FADE_IN:
        return
    for i in range(size):
        if memory[_MUTED] > 0:
            memory[_MUTED] -= 1
        else:
            level = level + 1 if level < target else level - 1 if level > target else level
        gain = np.float32(level) * np.float32(1.0 / FADE_IN)
        for c in range(CHANNELS):
            out[i, c] = out[i, c] * gain
    store_release(memory.ctypes.data + 8 * _LEVEL, level)


@njit(inline="always")
def _play_piece(memory, card_in, card_out, start, size, now_ns):  # type: ignore[no-untyped-def]
    scratch = carray(_floats_at(memory[_SCRATCH]), (2, PIECE, CHANNELS))
    inp, out = scratch[0, :size], scratch[1, :size]
    for c in range(CHANNELS):
        channel = memory[_IN + c]
        for i in range(size):
            inp[i, c] = card_in[start + i, channel] if memory[_INPUTS] else np.float32(0.0)
    header = carray(_integers_at(memory[_HEADER]), (_HEADER_SIZE,))
    rings = carray(_floats_at(memory[_RINGS]), (_ALL_RINGS, CHANNELS, memory[_CAPACITY]))
    state = carray(_integers_at(memory[_STATE]), (_STATE_SIZE,))
    process(inp, out, now_ns, header, rings, state)
    _fade(memory, out, size)
    left, right = memory[_OUT], memory[_OUT + 1]
    for i in range(size):
        if left == right:
            card_out[start + i, left] = np.float32(0.5) * (out[i, 0] + out[i, 1])
        else:
            card_out[start + i, left] = out[i, 0]
            card_out[start + i, right] = out[i, 1]


@njit(inline="always")
def _count(memory, size, flags):  # type: ignore[no-untyped-def]
    for kind in range(4):
        memory[_KINDS + kind] += flags >> kind & 1
    memory[_LARGEST] = max(memory[_LARGEST], size)
    memory[_SAMPLES] += size
    if memory[_HEADER] and flags & _ALL_XRUNS:
        header = carray(_integers_at(memory[_HEADER]), (_HEADER_SIZE,))
        header[_HOST_XRUNS] += 1
    store_release(memory.ctypes.data + 8 * _BLOCKS, memory[_BLOCKS] + 1)  # publish last


@lru_cache(maxsize=1)
def compile_callback() -> Any:
    """The callback as a numba cfunc (its `.address` is a PaStreamCallback*); about 2 s the first time.

    Not cached on disk: numba would not see that the host side in callback.py has changed.
    """
    clock = _system_clock()

    @njit(inline="always")
    def now_ns(memory, time_info):  # type: ignore[no-untyped-def]
        if clock is None:
            return types.int64(time_info[1] * 1e9) + memory[_OFFSET]
        clock(_CLOCK_ID, memory.ctypes.data + 8 * _CLOCK)
        return memory[_CLOCK] * 1_000_000_000 + memory[_CLOCK + 1]

    floats, doubles, integers = (types.CPointer(t) for t in (types.float32, types.float64, types.int64))

    @cfunc(types.intc(floats, floats, types.ulong, doubles, types.ulong, integers), nopython=True)
    def callback(inp, out, count, time_info, flags, address):  # type: ignore[no-untyped-def]
        memory = carray(address, (_SIZE,))
        size, at = types.int64(count), 0
        card_in = carray(inp, (size, memory[_INPUTS]))
        card_out = carray(out, (size, memory[_OUTPUTS]))
        card_out[:, :] = np.float32(0.0)
        if memory[_HEADER]:
            now = now_ns(memory, time_info)
            while at < size:
                piece = min(PIECE, size - at)
                _play_piece(memory, card_in, card_out, at, piece, now)
                at += piece
        _count(memory, size, types.int64(flags))
        return 0

    return callback


class Border:
    """The callback's memory for one card, and what keeps it alive. Must outlive the stream that uses it."""

    def __init__(self, inputs: tuple[int, int] | None, outputs: tuple[int, int], host: HostSide | None = None) -> None:
        """Channels of the card, from 0, for left and right (the same twice: mono). Without a host side, a probe."""
        self.memory: npt.NDArray[np.int64] = np.zeros(Memory.SIZE, np.int64)
        self._scratch = np.zeros((2, PIECE, CHANNELS), np.float32)
        self._host = host
        self._times = np.zeros(3)
        m = self.memory
        m[Memory.SCRATCH] = self._scratch.ctypes.data
        m[Memory.INPUTS] = 0 if inputs is None else max(inputs) + 1
        m[Memory.OUTPUTS] = max(outputs) + 1
        m[Memory.IN_LEFT], m[Memory.IN_RIGHT] = inputs or (0, 0)
        m[Memory.OUT_LEFT], m[Memory.OUT_RIGHT] = outputs
        if host is not None:
            assert host.rings.shape[:2] == (RINGS, CHANNELS)
            assert host.header.shape == (_HEADER_SIZE,)
            m[Memory.CAPACITY] = host.rings.shape[2]
            m[Memory.RINGS], m[Memory.STATE] = host.rings.ctypes.data, host.state.ctypes.data
            m[Memory.HEADER] = host.header.ctypes.data

    def __getitem__(self, field: Memory) -> int:
        """A counter, acquired."""
        return int(_load(self.memory, int(field)))

    def open_up(self, muted: int) -> None:
        """Silence for so many samples, then a fade in. While no stream runs."""
        self.memory[Memory.LEVEL], self.memory[Memory.MUTED], self.memory[Memory.TARGET] = 0, muted, FADE_IN

    def fade_out(self) -> None:
        """Begin to go down to silence; LEVEL is 0 when that is done."""
        self.memory[Memory.TARGET] = 0

    def set_clock(self, stream_seconds: float) -> None:
        """Tell what the stream's clock shows now, some times a second, for systems that have no clock to call."""
        self.memory[Memory.CLOCK_OFFSET] = time.monotonic_ns() - int(stream_seconds * 1e9)

    def call(self, card_in: Any, card_out: Any, size: int, times: Any, flags: Any) -> None:
        """The same callback, by way of Python: the fallback where PortAudio cannot be given compiled code.

        card_in [n, inputs] or None, card_out [n, outputs]; it waits for the interpreter, which others may hold.
        """
        bits = sum(1 << place for place, kind in enumerate(XRUNS) if getattr(flags, kind))
        self._times[1] = times.currentTime
        compile_callback().ctypes(
            ctypes.cast(0 if card_in is None else card_in.ctypes.data, _FLOATS),
            ctypes.cast(card_out.ctypes.data, _FLOATS),
            size,
            ctypes.cast(self._times.ctypes.data, _DOUBLES),
            bits,
            ctypes.cast(self.memory.ctypes.data, _INTEGERS),
        )

    @property
    def xruns(self) -> dict[str, int]:
        """Blocks before which the card lost something, by kind."""
        return {kind: self[field] for kind, field in XRUNS.items()}


@njit("int64(int64[::1], int64)", cache=True)
def _load(memory, field):  # type: ignore[no-untyped-def]
    return load_acquire(memory.ctypes.data + 8 * field)


_CLOCK_ID = 8 if sys.platform == "darwin" else 1  # the one that time.monotonic reads: UPTIME_RAW, MONOTONIC


def _system_clock() -> Any:
    """clock_gettime(int, address of two int64), where the system has it."""
    if sys.platform == "win32":
        return None
    function = ctypes.CDLL(None).clock_gettime
    function.argtypes, function.restype = (ctypes.c_int, ctypes.c_size_t), ctypes.c_int
    return function
