"""PortAudio's callback, compiled, and the memory it works on.

The callback needs no interpreter: it runs on while the GIL is held elsewhere. PortAudio's word for
a sample is "frame"; its buffer is a block here. Blocks may have any size, and sizes may vary. The
device's channels are mapped to the stereo of the playout and back:

    device [n, inputs] ─► left, right ─► playout.process [n, 2] ─► fade ─► left, right of device [n, outputs]

With a separate input device, input samples come from a drift compensator (clock_bridge.py); with a
file as input, from a ring that the control thread fills.

The output is silent for MUTE_REMAINING samples after a stream opens and then fades in. At full
level it is unchanged to the bit, unless it exceeds full scale: there it is clipped, and the clipped
samples are counted.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, cfunc, njit, types

from realtime.drivers.portaudio import clock_bridge
from realtime.drivers.portaudio.clock_bridge import DriftCompensator
from realtime.drivers.portaudio.numba_pointers import (
    DOUBLES,
    FLOATS,
    INTEGERS,
    UNSIGNED_LONG,
    floats_at,
    load_field,
    store_field,
)
from realtime.system.atomics import load_acquire, store_release
from realtime.system.enum_constants import enum_constants
from realtime.system.platform.compiled_clock import compile_clock, integers_at
from realtime.timeline.layout import FADE, RINGS, Field
from realtime.timeline.playout import Playout, PlayoutState, process

_FLOATS, _DOUBLES, _INTEGERS = (ctypes.POINTER(t) for t in (ctypes.c_float, ctypes.c_double, ctypes.c_int64))
FADE_IN = 4096  # samples; a power of two, so that every step is exact
FILE_INPUT_SAMPLES = 1 << 16  # of the ring for a file as input
PIECE = 1024  # samples processed at once; larger blocks are split
CHANNELS = 2  # of the playout


class StateField(IntEnum):
    """Indices into the int64 memory. The control thread writes those below LEVEL."""

    HEADER = 0  # addresses of the timeline; with HEADER 0 the callback plays silence and only counts (a probe)
    RINGS = 1
    STATE = 2
    CAPACITY = 3
    SCRATCH = 4  # address of float32 [2, PIECE, 2]
    INPUTS = 5  # number of device channels
    OUTPUTS = 6
    IN_LEFT = 7  # device channels used as left and right
    IN_RIGHT = 8
    OUT_LEFT = 9
    OUT_RIGHT = 10
    TARGET = 11  # output level to ramp to, 0 to FADE_IN
    FILE_INPUT = 13  # address of float32 [FILE_INPUT_SAMPLES, 2] that can replace the input; 0: none
    FILE_INPUT_END = 14  # the ring is filled below this sample
    FILE_INPUT_TARGET = 15  # share of the file in the input to ramp to, 0 to FADE
    BRIDGE = 16  # address of a drift compensator's memory, used instead of the device's own input; 0: none
    LEVEL = 32
    MUTE_REMAINING = 33  # samples of silence left
    BLOCKS = 34
    LARGEST = 35  # largest block so far, samples
    INPUT_UNDERFLOW = 36  # blocks flagged by PortAudio, in the order of its flag bits
    INPUT_OVERFLOW = 37
    OUTPUT_UNDERFLOW = 38
    OUTPUT_OVERFLOW = 39
    SECONDS = 40  # scratch of the clock: seconds, nanoseconds
    NANOSECONDS = 41
    SAMPLES = 42  # in all blocks
    FILE_INPUT_POS = 43  # next sample to take from the ring
    BRIDGE_LOSSES = 44  # losses of the drift compensator that are already counted as xruns
    FILE_INPUT_LEVEL = 45  # current share of the file
    CLIPPED = 46  # samples that exceeded full scale
    SIZE = 64


XRUNS = {  # by kind; the position is the bit number in PortAudio's flags
    "input_underflow": StateField.INPUT_UNDERFLOW,
    "input_overflow": StateField.INPUT_OVERFLOW,
    "output_underflow": StateField.OUTPUT_UNDERFLOW,
    "output_overflow": StateField.OUTPUT_OVERFLOW,
}

_F = enum_constants(StateField)
_HEADER_SIZE, _STATE_SIZE, _ALL_RINGS, _HOST_XRUNS = 512, int(PlayoutState.SIZE), RINGS, int(Field.XRUNS)
_ALL_XRUNS = 15  # the four flags; the fifth, output being primed, is no loss


@njit(inline="always")
def _fade(memory, out, size):  # type: ignore[no-untyped-def]
    """Apply mute and level ramp to out [size, 2] in place; does nothing at full level."""
    level, target = memory[_F.LEVEL], memory[_F.TARGET]
    if level == FADE_IN and target == FADE_IN:
        return
    for i in range(size):
        if memory[_F.MUTE_REMAINING] > 0:
            memory[_F.MUTE_REMAINING] -= 1
        else:
            level = level + 1 if level < target else level - 1 if level > target else level
        gain = np.float32(level) * np.float32(1.0 / FADE_IN)
        for c in range(CHANNELS):
            out[i, c] = out[i, c] * gain
    store_release(memory.ctypes.data + 8 * _F.LEVEL, level)


@njit(inline="always")
def _mix_file_input(memory, inp, size):  # type: ignore[no-untyped-def]
    """Cross-fade inp [size, 2] with the file's next samples, or silence if the ring is empty."""
    ring = carray(floats_at(memory[_F.FILE_INPUT]), (FILE_INPUT_SAMPLES, CHANNELS))
    at, end = memory[_F.FILE_INPUT_POS], load_acquire(memory.ctypes.data + 8 * _F.FILE_INPUT_END)
    level, target = memory[_F.FILE_INPUT_LEVEL], memory[_F.FILE_INPUT_TARGET]
    for i in range(size):
        level = level + 1 if level < target else level - 1 if level > target else level
        part = np.float32(level) * np.float32(1.0 / FADE)
        for c in range(CHANNELS):
            fed = ring[(at + i) & (FILE_INPUT_SAMPLES - 1), c] if at + i < end else np.float32(0.0)
            inp[i, c] = fed if level == FADE else inp[i, c] + part * (fed - inp[i, c])
    memory[_F.FILE_INPUT_LEVEL] = level
    store_release(memory.ctypes.data + 8 * _F.FILE_INPUT_POS, at + size)


@njit(inline="always")
def _read_input(memory, device_in, start, inp, size):  # type: ignore[no-untyped-def]
    """Copy the device's left and right input, or silence, to inp [size, 2]."""
    for c in range(CHANNELS):
        channel = memory[_F.IN_LEFT + c]
        for i in range(size):
            inp[i, c] = device_in[start + i, channel] if memory[_F.INPUTS] else np.float32(0.0)


@njit(inline="always")
def _play_piece(memory, inp, out, now_ns):  # type: ignore[no-untyped-def]
    """Run one piece [n, 2] through the playout, then fade the output."""
    header = carray(integers_at(memory[_F.HEADER]), (_HEADER_SIZE,))
    rings = carray(floats_at(memory[_F.RINGS]), (_ALL_RINGS, CHANNELS, memory[_F.CAPACITY]))
    state = carray(integers_at(memory[_F.STATE]), (_STATE_SIZE,))
    process(inp, out, now_ns, header, rings, state)
    _fade(memory, out, inp.shape[0])


@njit(inline="always")
def _write_output(memory, out, device_out, start, size):  # type: ignore[no-untyped-def]
    """Clip out [size, 2] to full scale, count what is clipped, and write it to the device."""
    left, right = memory[_F.OUT_LEFT], memory[_F.OUT_RIGHT]
    for i in range(size):
        for c in range(CHANNELS):
            if not abs(out[i, c]) <= 1.0:  # true for NaN too
                out[i, c] = np.float32(1.0) if out[i, c] > 0 else np.float32(-1.0) if out[i, c] < 0 else np.float32(0.0)
                memory[_F.CLIPPED] += 1
        if left == right:
            device_out[start + i, left] = np.float32(0.5) * (out[i, 0] + out[i, 1])
        else:
            device_out[start + i, left] = out[i, 0]
            device_out[start + i, right] = out[i, 1]


@njit(inline="always")
def _count(memory, size, flags):  # type: ignore[no-untyped-def]
    """Count the block and its xruns; publish BLOCKS last."""
    for kind in range(4):
        memory[_F.INPUT_UNDERFLOW + kind] += flags >> kind & 1
    memory[_F.LARGEST] = max(memory[_F.LARGEST], size)
    memory[_F.SAMPLES] += size
    lost = 1 if flags & _ALL_XRUNS else 0
    if memory[_F.BRIDGE]:
        lost += clock_bridge.loss_count(memory[_F.BRIDGE]) - memory[_F.BRIDGE_LOSSES]
        memory[_F.BRIDGE_LOSSES] = clock_bridge.loss_count(memory[_F.BRIDGE])
    if memory[_F.HEADER] and lost:
        header = carray(integers_at(memory[_F.HEADER]), (_HEADER_SIZE,))
        header[_HOST_XRUNS] += lost
    store_release(memory.ctypes.data + 8 * _F.BLOCKS, memory[_F.BLOCKS] + 1)


@lru_cache(maxsize=2)
def compile_callback(bridged: bool = False) -> Any:
    """Compile the callback to a numba cfunc; its `.address` is a PaStreamCallback*.

    It is not cached on disk, because numba would not notice changes of playout.py.
    """
    now_ns = compile_clock()

    @njit(inline="always")
    def read_bridge(memory, device_in, start, inp, size):  # type: ignore[no-untyped-def]
        clock_bridge.resample(memory[_F.BRIDGE], inp)

    @njit(inline="always")
    def start_bridge_block(memory, size, now):  # type: ignore[no-untyped-def]
        clock_bridge.on_block(memory[_F.BRIDGE], size, now)

    @njit(inline="always")
    def do_nothing(memory, size, now):  # type: ignore[no-untyped-def]
        pass

    read_input, on_block = (read_bridge, start_bridge_block) if bridged else (_read_input, do_nothing)

    @cfunc(types.intc(FLOATS, FLOATS, UNSIGNED_LONG, DOUBLES, UNSIGNED_LONG, INTEGERS), nopython=True)
    def callback(inp, out, count, time_info, flags, address):  # type: ignore[no-untyped-def]
        memory = carray(address, (_F.SIZE,))
        size, at = types.int64(count), 0
        device_in = carray(inp, (size, memory[_F.INPUTS]))
        device_out = carray(out, (size, memory[_F.OUTPUTS]))
        device_out[:, :] = np.float32(0.0)
        scratch = carray(floats_at(memory[_F.SCRATCH]), (2, PIECE, CHANNELS))
        now = now_ns(memory.ctypes.data + 8 * _F.SECONDS)
        on_block(memory, size, now)
        while at < size:
            piece = min(PIECE, size - at)
            piece_in, piece_out = scratch[0, :piece], scratch[1, :piece]
            read_input(memory, device_in, at, piece_in, piece)
            if memory[_F.FILE_INPUT_TARGET] or memory[_F.FILE_INPUT_LEVEL]:
                _mix_file_input(memory, piece_in, piece)
            if memory[_F.HEADER]:
                _play_piece(memory, piece_in, piece_out, now)
                _write_output(memory, piece_out, device_out, at, piece)
            at += piece
        _count(memory, size, types.int64(flags))
        return 0

    return callback


class StreamState:
    """Memory of the callback for one stream, with everything it points to.

    Must outlive the stream.
    """

    def __init__(
        self,
        inputs: tuple[int, int] | None,
        outputs: tuple[int, int],
        playout: Playout | None = None,
        bridge: DriftCompensator | None = None,
    ) -> None:
        """`inputs` and `outputs` are the device's left and right channels, from 0; equal for mono.

        Without a playout the stream is a probe. With a bridge, `inputs` is None: the bridge has its
        own channels.
        """
        self.memory: npt.NDArray[np.int64] = np.zeros(StateField.SIZE, np.int64)
        self._scratch = np.zeros((2, PIECE, CHANNELS), np.float32)
        self._playout = playout
        self._times = np.zeros(3)
        self.bridge = bridge
        m = self.memory
        m[StateField.BRIDGE] = bridge.memory.ctypes.data if bridge else 0
        m[StateField.SCRATCH] = self._scratch.ctypes.data
        m[StateField.INPUTS] = 0 if inputs is None else max(inputs) + 1
        m[StateField.OUTPUTS] = max(outputs) + 1
        m[StateField.IN_LEFT], m[StateField.IN_RIGHT] = inputs or (0, 0)
        m[StateField.OUT_LEFT], m[StateField.OUT_RIGHT] = outputs
        if playout is not None:
            assert playout.rings.shape[:2] == (RINGS, CHANNELS)
            assert playout.header.shape == (_HEADER_SIZE,)
            m[StateField.CAPACITY] = playout.rings.shape[2]
            m[StateField.RINGS], m[StateField.STATE] = playout.rings.ctypes.data, playout.state.ctypes.data
            m[StateField.HEADER] = playout.header.ctypes.data

    def __getitem__(self, field: StateField) -> int:
        """Return one field, loaded with acquire. Any thread."""
        return int(load_field(self.memory, int(field)))

    def start_muted_fade_in(self, muted: int) -> None:
        """Play `muted` samples of silence and then fade in. Call it while no stream runs."""
        m = self.memory
        m[StateField.LEVEL], m[StateField.MUTE_REMAINING], m[StateField.TARGET] = 0, muted, FADE_IN

    def fade_out(self) -> None:
        """Start to fade to silence; LEVEL is 0 when it is done."""
        self.memory[StateField.TARGET] = 0

    def start_feed(self, start: int, *, faded: bool = False) -> None:
        """Prepare the ring for a file as input, from sample `start` on.

        Call it while no stream runs; with `faded` (the file fades in) also while nothing is fed.
        """
        self._file_input = np.zeros((FILE_INPUT_SAMPLES, CHANNELS), np.float32)
        self.memory[StateField.FILE_INPUT] = self._file_input.ctypes.data
        self.memory[StateField.FILE_INPUT_POS] = self.memory[StateField.FILE_INPUT_END] = start
        self.memory[StateField.FILE_INPUT_LEVEL] = 0 if faded else FADE

    def feed(self, read: Callable[[int], npt.NDArray[np.float32]], ahead: int = FILE_INPUT_SAMPLES) -> None:
        """Fill the ring up to `ahead` samples; `read(count)` returns [2, n <= count].

        Call it some 20 times a second, from one thread.
        """
        end = max(self[StateField.FILE_INPUT_END], self[StateField.FILE_INPUT_POS])
        audio = read(max(0, ahead - (end - self[StateField.FILE_INPUT_POS])))
        self._file_input[np.arange(end, end + audio.shape[1]) & (FILE_INPUT_SAMPLES - 1)] = audio.T
        store_field(self.memory, int(StateField.FILE_INPUT_END), end + audio.shape[1])
        store_field(self.memory, int(StateField.FILE_INPUT_TARGET), FADE)

    def stop_feed(self) -> None:
        """Start to fade back to the device's input; FILE_INPUT_LEVEL is 0 when it is done."""
        store_field(self.memory, int(StateField.FILE_INPUT_TARGET), 0)

    def call_from_python(self, device_in: Any, device_out: Any, size: int, times: Any, flags: Any) -> None:
        """Run the callback through Python, where sounddevice takes no compiled one. Needs the GIL.

        device_in [n, inputs] or None, device_out [n, outputs]; float32.
        """
        bits = sum(1 << bit for bit, kind in enumerate(XRUNS) if getattr(flags, kind))
        self._times[1] = times.currentTime
        compile_callback(self.bridge is not None).ctypes(
            ctypes.cast(0 if device_in is None else device_in.ctypes.data, _FLOATS),
            ctypes.cast(device_out.ctypes.data, _FLOATS),
            size,
            ctypes.cast(self._times.ctypes.data, _DOUBLES),
            bits,
            ctypes.cast(self.memory.ctypes.data, _INTEGERS),
        )

    @property
    def xruns(self) -> dict[str, int]:
        """Blocks before which the device lost samples, by kind; with a bridge, its losses too."""
        counted = {kind: self[field] for kind, field in XRUNS.items()}
        return counted if self.bridge is None else counted | self.bridge.losses
