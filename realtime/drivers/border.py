"""The border to PortAudio: the callback that a sound card calls, compiled, and the memory it works on.

It needs no interpreter: it runs on while the GIL is held elsewhere (docs: the fallbacks of device.py do not). What
PortAudio calls a frame is a sample here and its buffer a block. Blocks may be of any size and may vary. Any card's
channels become the stereo of the host side and back:

    card [n, inputs] ─► left, right ─► callback.process [n, 2] ─► fade ─► left, right of card [n, outputs]

Where another card is the input, its samples come by a bridge (bridge.py); where a file is, by a feed.

The output is silent for `MUTED` samples after a stream opens, then faded in; at full level it is untouched to the bit,
unless it leaves full scale: there it is clipped, and counted.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, cfunc, njit, types

from realtime.atomic import load_acquire, store_release
from realtime.callback import HostSide, State, process
from realtime.drivers import bridge
from realtime.drivers.bridge import Bridge
from realtime.drivers.raw import (
    DOUBLES,
    FLOATS,
    INTEGERS,
    compile_clock,
    floats_at,
    integers_at,
    load_field,
    store_field,
)
from realtime.timeline import FADE, RINGS, Field

_FLOATS, _DOUBLES, _INTEGERS = (ctypes.POINTER(t) for t in (ctypes.c_float, ctypes.c_double, ctypes.c_int64))
FADE_IN = 4096  # samples; a power of two, so that every step is exact
FEED_SAMPLES = 1 << 16
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
    FEED = 13  # address of float32 [FEED_SAMPLES, 2], which can take the place of the input; 0: none
    FEED_END = 14  # sample before which it is filled
    FEED_TARGET = 16  # share of the feed in the input to move to, of FADE
    BRIDGE = 15  # address of a bridge's memory, taken in place of the card's input; 0: none
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
    FEED_AT = 43  # sample of the feed to take next
    BRIDGE_LOST = 44  # losses of the bridge, as far as they are counted
    FEED_LEVEL = 45  # share of the feed now
    CLIPPED = 46  # samples that were beyond full scale
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
_FEED, _FEED_END, _FEED_AT = int(Memory.FEED), int(Memory.FEED_END), int(Memory.FEED_AT)
_FEED_TARGET, _FEED_LEVEL = int(Memory.FEED_TARGET), int(Memory.FEED_LEVEL)
_BRIDGE, _BRIDGE_LOST, _CLIPPED = int(Memory.BRIDGE), int(Memory.BRIDGE_LOST), int(Memory.CLIPPED)
_HEADER_SIZE, _STATE_SIZE, _ALL_RINGS, _HOST_XRUNS = 512, int(State.SIZE), RINGS, int(Field.XRUNS)
_ALL_XRUNS = 15  # the four flags; a fifth says that the output is being primed, which is no loss


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
def _take_feed(memory, inp, size):  # type: ignore[no-untyped-def]
    """The next of the feed, silence where it has none, in place of the input as far as it is faded in."""
    feed = carray(floats_at(memory[_FEED]), (FEED_SAMPLES, CHANNELS))
    at, end = memory[_FEED_AT], load_acquire(memory.ctypes.data + 8 * _FEED_END)
    level, target = memory[_FEED_LEVEL], memory[_FEED_TARGET]
    for i in range(size):
        level = level + 1 if level < target else level - 1 if level > target else level
        part = np.float32(level) * np.float32(1.0 / FADE)
        for c in range(CHANNELS):
            fed = feed[(at + i) & (FEED_SAMPLES - 1), c] if at + i < end else np.float32(0.0)
            inp[i, c] = fed if level == FADE else inp[i, c] + part * (fed - inp[i, c])
    memory[_FEED_LEVEL] = level
    store_release(memory.ctypes.data + 8 * _FEED_AT, at + size)


@njit(inline="always")
def _take_card(memory, card_in, start, inp, size):  # type: ignore[no-untyped-def]
    """The card's own input, or silence."""
    for c in range(CHANNELS):
        channel = memory[_IN + c]
        for i in range(size):
            inp[i, c] = card_in[start + i, channel] if memory[_INPUTS] else np.float32(0.0)


@njit(inline="always")
def _play(memory, inp, out, now_ns):  # type: ignore[no-untyped-def]
    """One piece through the host side, faded."""
    header = carray(integers_at(memory[_HEADER]), (_HEADER_SIZE,))
    rings = carray(floats_at(memory[_RINGS]), (_ALL_RINGS, CHANNELS, memory[_CAPACITY]))
    state = carray(integers_at(memory[_STATE]), (_STATE_SIZE,))
    process(inp, out, now_ns, header, rings, state)
    _fade(memory, out, inp.shape[0])


@njit(inline="always")
def _give_card(memory, out, card_out, start, size):  # type: ignore[no-untyped-def]
    """The last place before a loudspeaker: nothing leaves full scale, whatever gain, delta and input bring about."""
    left, right = memory[_OUT], memory[_OUT + 1]
    for i in range(size):
        for c in range(CHANNELS):
            if not abs(out[i, c]) <= 1.0:  # also what is no number
                out[i, c] = np.float32(1.0) if out[i, c] > 0 else np.float32(-1.0) if out[i, c] < 0 else np.float32(0.0)
                memory[_CLIPPED] += 1
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
    lost = 1 if flags & _ALL_XRUNS else 0
    if memory[_BRIDGE]:
        lost += bridge.losses(memory[_BRIDGE]) - memory[_BRIDGE_LOST]
        memory[_BRIDGE_LOST] = bridge.losses(memory[_BRIDGE])
    if memory[_HEADER] and lost:
        header = carray(integers_at(memory[_HEADER]), (_HEADER_SIZE,))
        header[_HOST_XRUNS] += lost
    store_release(memory.ctypes.data + 8 * _BLOCKS, memory[_BLOCKS] + 1)  # publish last


@lru_cache(maxsize=2)
def compile_callback(bridged: bool = False) -> Any:
    """The callback as a numba cfunc (its `.address` is a PaStreamCallback*); about 2 s the first time.

    Not cached on disk: numba would not see that the host side in callback.py has changed.
    """
    now_ns = compile_clock()

    @njit(inline="always")
    def take_bridge(memory, card_in, start, inp, size):  # type: ignore[no-untyped-def]
        bridge.take(memory[_BRIDGE], inp)

    @njit(inline="always")
    def meet_bridge(memory, size, now):  # type: ignore[no-untyped-def]
        bridge.meet(memory[_BRIDGE], size, now)

    @njit(inline="always")
    def meet_nothing(memory, size, now):  # type: ignore[no-untyped-def]
        pass

    take, meet = (take_bridge, meet_bridge) if bridged else (_take_card, meet_nothing)

    @cfunc(types.intc(FLOATS, FLOATS, types.ulong, DOUBLES, types.ulong, INTEGERS), nopython=True)
    def callback(inp, out, count, time_info, flags, address):  # type: ignore[no-untyped-def]
        memory = carray(address, (_SIZE,))
        size, at = types.int64(count), 0
        card_in = carray(inp, (size, memory[_INPUTS]))
        card_out = carray(out, (size, memory[_OUTPUTS]))
        card_out[:, :] = np.float32(0.0)
        scratch = carray(floats_at(memory[_SCRATCH]), (2, PIECE, CHANNELS))
        now = now_ns(memory.ctypes.data + 8 * _CLOCK, time_info, memory[_OFFSET])
        meet(memory, size, now)
        while at < size:
            piece = min(PIECE, size - at)
            heard, played = scratch[0, :piece], scratch[1, :piece]
            take(memory, card_in, at, heard, piece)
            if memory[_FEED_TARGET] or memory[_FEED_LEVEL]:
                _take_feed(memory, heard, piece)
            if memory[_HEADER]:
                _play(memory, heard, played, now)
                _give_card(memory, played, card_out, at, piece)
            at += piece
        _count(memory, size, types.int64(flags))
        return 0

    return callback


class Border:
    """The callback's memory for one card, and what keeps it alive. Must outlive the stream that uses it."""

    def __init__(
        self,
        inputs: tuple[int, int] | None,
        outputs: tuple[int, int],
        host: HostSide | None = None,
        other: Bridge | None = None,
    ) -> None:
        """Channels of the card, from 0, for left and right (the same twice: mono). Without a host side, a probe.

        With an `other` card as input, inputs is None: the bridge knows its channels.
        """
        self.memory: npt.NDArray[np.int64] = np.zeros(Memory.SIZE, np.int64)
        self._scratch = np.zeros((2, PIECE, CHANNELS), np.float32)
        self._host = host
        self._times = np.zeros(3)
        self.bridge = other
        m = self.memory
        m[Memory.BRIDGE] = other.memory.ctypes.data if other else 0
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
        return int(load_field(self.memory, int(field)))

    def open_up(self, muted: int) -> None:
        """Silence for so many samples, then a fade in. While no stream runs."""
        self.memory[Memory.LEVEL], self.memory[Memory.MUTED], self.memory[Memory.TARGET] = 0, muted, FADE_IN

    def fade_out(self) -> None:
        """Begin to go down to silence; LEVEL is 0 when that is done."""
        self.memory[Memory.TARGET] = 0

    def feed_from(self, start: int, *, faded: bool = False) -> None:
        """Take input from `feed`, beginning at sample `start`, while no stream runs; `faded` in, while none is fed."""
        self._feed = np.zeros((FEED_SAMPLES, CHANNELS), np.float32)
        self.memory[Memory.FEED] = self._feed.ctypes.data
        self.memory[Memory.FEED_AT] = self.memory[Memory.FEED_END] = start
        self.memory[Memory.FEED_LEVEL] = 0 if faded else FADE

    def feed(self, read: Callable[[int], npt.NDArray[np.float32]], ahead: int = FEED_SAMPLES) -> None:
        """Have `ahead` samples wait; `read(count)` gives [2, n <= count]. Some 20 times a second, from one thread."""
        end = max(self[Memory.FEED_END], self[Memory.FEED_AT])
        audio = read(max(0, ahead - (end - self[Memory.FEED_AT])))
        self._feed[np.arange(end, end + audio.shape[1]) & (FEED_SAMPLES - 1)] = audio.T
        store_field(self.memory, int(Memory.FEED_END), end + audio.shape[1])
        store_field(self.memory, int(Memory.FEED_TARGET), FADE)

    def feed_no_more(self) -> None:
        """Fade back to the card's input; none is fed once FEED_LEVEL is 0."""
        store_field(self.memory, int(Memory.FEED_TARGET), 0)

    def set_clock(self, stream_seconds: float) -> None:
        """Tell what the stream's clock shows now, some times a second, for systems that have no clock to call."""
        offset = time.monotonic_ns() - int(stream_seconds * 1e9)
        self.memory[Memory.CLOCK_OFFSET] = offset
        if self.bridge:
            self.bridge.memory[bridge.Memory.CLOCK_OFFSET] = offset

    def call(self, card_in: Any, card_out: Any, size: int, times: Any, flags: Any) -> None:
        """The same callback, by way of Python: the fallback where PortAudio cannot be given compiled code.

        card_in [n, inputs] or None, card_out [n, outputs]; it waits for the interpreter, which others may hold.
        """
        bits = sum(1 << place for place, kind in enumerate(XRUNS) if getattr(flags, kind))
        self._times[1] = times.currentTime
        compile_callback(self.bridge is not None).ctypes(
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
        counted = {kind: self[field] for kind, field in XRUNS.items()}
        return counted if self.bridge is None else counted | self.bridge.lost
