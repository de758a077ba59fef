"""Timeline: sample rings and counters in shared memory, between host side and worker.

Every ring is addressed by the absolute index of the input sample: sample k of any ring is stored
at index k mod capacity. The host side writes the input to `dry` and plays k = n - L at time n. The
worker writes its version of input sample k at index k of a wet ring. A late chunk leaves a dropout
and can never shift the stream. The `monitor` ring holds the output for recording and drawing,
addressed by the time n at which it was played.

    byte      0  header: int64 fields, one 128-byte line for each writer (offset = 8 * Field)
           4096  telemetry of the worker (telemetry.py)
           8192  float32 rings [4 rings, channels, capacity]: dry, wet A, wet B, monitor

Each counter has one writer. It is stored with release after the samples it counts, and loaded with
acquire before they are read. There are no locks. The host side owns the memory and the path that
leads to it; paths without an owner are removed when the next one is created.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import uuid
from enum import IntEnum
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from realtime.system.platform import folders, shared_memory
from realtime.system.platform.shared_memory import SharedMemory

MAGIC = 0x5645524449475249  # "VERDIGRI"
VERSION = 2
HEADER_BYTES = 4096
TELEMETRY_BYTES = 4096
RINGS = 4
FADE = 256  # samples in every ramp; a power of two, so that all gains are exact
SLOTS = ("a", "b")
DRY, WET, MONITOR = 0, 1, 3  # ring numbers; wet B is WET + 1


class Field(IntEnum):
    """Indices of the int64 header fields; the byte offset is eight times the index."""

    # written once by the host side, before MAGIC
    MAGIC = 0
    VERSION = 1
    SIZE = 2  # bytes of the whole memory
    CHANNELS = 3
    CAPACITY = 4  # samples per ring, a power of two
    RATE = 5  # Hz
    LATENCY = 6  # L, samples
    MAX_BLOCK = 7  # samples; larger blocks are played in pieces
    FADE = 8  # samples
    # written by the host side, or for a plug-in when codecs attach
    SLOTS = 9  # bit 0: slot A is in use, bit 1: slot B
    STALL_NS = 10  # a heartbeat older than this is a stall
    # host side
    DRY_END = 16  # dry is valid below this
    STREAM_ID = 32  # incremented at each activation; wet is invalid until STREAM_ACK matches
    OFFLINE = 33  # 1: the host may wait for the worker
    PLAYED_END = 48  # monitor is valid below this
    BLOCKS = 49  # blocks processed
    LATE = 50  # dropouts because wet data was late
    STALLED = 51  # dropouts because the heartbeat stopped for longer than STALL_NS
    DIED = 52  # dropouts because the worker was gone or replaced
    DROPPED_SAMPLES = 53  # samples in dropouts
    OPEN_DROPOUT = 54  # 0, or the kind of the current dropout: 1 late, 2 stalled, 3 died
    XRUNS = 55  # blocks lost by the device or the clock
    MAX_NS = 56  # longest duration of process()
    BLOCK = 57  # a plug-in: the largest block that its host has passed or announced
    # worker
    STREAM_ACK = 64  # the STREAM_ID for which the worker has reset
    ATTACH_COUNT = 80  # 0: no worker; else the number of workers attached so far
    HEARTBEAT_NS = 81  # monotonic clock, ns: the oldest heartbeat of the lanes
    RUN_START_A = 96  # wet A is valid from here ...
    WET_END_A = 97  # ... to below here
    PREV_RUN_START_A = 98  # start of the run before this one ...
    PREV_RUN_END_A = 99  # ... and its end
    HEARTBEAT_A = 100  # monotonic clock, ns, of the lane that computes slot A
    RUN_START_B = 112
    WET_END_B = 113
    PREV_RUN_START_B = 114
    PREV_RUN_END_B = 115
    HEARTBEAT_B = 116
    # control
    GAIN_DRY = 128  # gains in units of 1 / GAIN_ONE
    GAIN_A = 129
    GAIN_B = 130
    DROPOUT_FILL = 131  # played during a dropout: 0 aligned dry, 1 silence
    # automation of a plug-in's host (worker/host_automation.py)
    EVENT_END = 144  # events so far in this stream
    PARAM = 160  # 16 float32 as bits: the current values, by port
    # server of a plug-in (session/insert_server.py)
    SERVER_HEARTBEAT_NS = 176  # monotonic clock, ns; runs while codecs load or play
    REQUIRED_LATENCY = 177  # samples that the codecs need where that exceeds LATENCY, else 0
    # host side, by slot: stretches in which dry or silence stood in for the slot (dropout_log.py)
    LATE_A = 192  # dropouts of this slot, by kind
    STALLED_A = 193
    DIED_A = 194
    DROPPED_SAMPLES_A = 195  # samples in dropouts
    FILL_SAMPLES_A = 196  # samples in which the slot was not fully wet, also before its output began
    OPEN_STRETCH_A = 197  # 0, or the kind of the current stretch: 1 late, 2 stalled, 3 died, 4 start
    OPEN_START_A = 198  # its first input sample
    STRETCH_END_A = 199  # stretches so far
    STRETCH_A = 200  # STRETCHES pairs: first input sample, end << 3 | kind
    LATE_B = 224
    STALLED_B = 225
    DIED_B = 226
    DROPPED_SAMPLES_B = 227
    FILL_SAMPLES_B = 228
    OPEN_STRETCH_B = 229
    OPEN_START_B = 230
    STRETCH_END_B = 231
    STRETCH_B = 232
    EVENT = 256  # EVENTS pairs: input sample, port << 32 | float32 bits


GAIN_ONE = 1 << 20
EVENTS = 128  # capacity of the automation ring
STRETCHES = 12  # capacity of a slot's ring of stretches
HEARTBEAT = (Field.HEARTBEAT_A, Field.HEARTBEAT_B)
FILL_SAMPLES = (Field.FILL_SAMPLES_A, Field.FILL_SAMPLES_B)
DROPPED_SAMPLES = (Field.DROPPED_SAMPLES_A, Field.DROPPED_SAMPLES_B)
RUN_START = (Field.RUN_START_A, Field.RUN_START_B)
WET_END = (Field.WET_END_A, Field.WET_END_B)
PREV_RUN_START = (Field.PREV_RUN_START_A, Field.PREV_RUN_START_B)
PREV_RUN_END = (Field.PREV_RUN_END_A, Field.PREV_RUN_END_B)
OPEN_STRETCH = (Field.OPEN_STRETCH_A, Field.OPEN_START_A), (Field.OPEN_STRETCH_B, Field.OPEN_START_B)
STRETCH_END = (Field.STRETCH_END_A, Field.STRETCH_END_B)
STRETCH = (Field.STRETCH_A, Field.STRETCH_B)
SLOT_DROPOUTS = tuple(
    {"late": late, "stalled": Field(late + 1), "died": Field(late + 2)} for late in (Field.LATE_A, Field.LATE_B)
)
DROPOUT_KINDS = {"late": Field.LATE, "stalled": Field.STALLED, "died": Field.DIED, "xrun": Field.XRUNS}


def layout_hash() -> str:
    """Return a digest of the header's fields and of its units; it changes when they do."""
    facts = repr([(field.name, int(field)) for field in Field] + [GAIN_ONE, STRETCHES])
    return hashlib.sha256(facts.encode()).hexdigest()[:12]


class TimelineError(Exception):
    """Timeline file that cannot be created or opened."""


def capacity_for(latency: int, rate: int, max_block: int) -> int:
    """Return the samples per ring: a power of two, at least 2 L and one second.

    The spare room lets a stream recover from a short stall.
    """
    return 1 << (max(2 * latency, latency + 2 * max_block, rate) - 1).bit_length()


class Timeline:
    """Shared memory, used by either side: `create` makes and owns one, `attach` opens one by path."""

    _WRITES = True

    def __init__(self, memory: SharedMemory) -> None:
        self._memory = memory
        self.path = memory.path
        self.header: npt.NDArray[np.int64] = np.frombuffer(memory.map, np.int64, HEADER_BYTES // 8)
        self._start()

    def _start(self) -> None:
        """Prepare loads and stores of counters."""
        from realtime.system import atomics

        self._address = self.header.ctypes.data
        self._atomic = atomics

    @classmethod
    def create(
        cls, *, rate: int, latency: int, max_block: int, slots: int = 3, channels: int = 2, stall_ns: int = 500_000_000
    ) -> Timeline:
        """Create a timeline in the user's runtime directory and own it; remove stale ones first.

        rate in Hz, latency (L) and max_block in samples; bit s of `slots` is set if slot s is used.
        Raises TimelineError if the directory cannot be written to or is full.
        """
        directory = runtime_directory()
        remove_stale(directory)
        capacity = capacity_for(latency, rate, max_block)
        size = HEADER_BYTES + TELEMETRY_BYTES + RINGS * channels * capacity * 4
        try:
            timeline = cls(shared_memory.create(directory / f"{uuid.uuid4().hex}.timeline", size))
        except OSError as error:
            if isinstance(error, PermissionError) or error.errno == errno.EROFS:
                raise TimelineError(
                    f"{directory} cannot be written to ({error.strerror}). Make it writable for your user."
                ) from error
            raise TimelineError(
                f"{directory} has no room for {size} bytes ({error.strerror}). Free some space there."
            ) from error
        h = timeline.header
        h[Field.VERSION], h[Field.SIZE], h[Field.CHANNELS], h[Field.CAPACITY] = VERSION, size, channels, capacity
        h[Field.RATE], h[Field.LATENCY], h[Field.MAX_BLOCK], h[Field.FADE] = rate, latency, max_block, FADE
        h[Field.SLOTS], h[Field.STALL_NS] = slots, stall_ns
        h[Field.GAIN_DRY] = GAIN_ONE
        timeline.rings[:] = 0.0  # touch every page now: a page fault in the audio thread costs more than a block
        timeline.store(Field.MAGIC, MAGIC)  # publish last
        return timeline

    @classmethod
    def attach(cls, path: Path) -> Self:
        """Open a timeline that another process owns.

        Raises TimelineError if it does not exist, is not a timeline or has another version.
        """
        try:
            memory = shared_memory.attach(path, write=cls._WRITES)
        except OSError as error:
            raise TimelineError(
                f"the timeline {path} cannot be opened ({error.strerror}). Check that its host is still running."
            ) from error
        except ValueError:
            raise TimelineError(f"{path} is too short to be a timeline. Start its host again.") from None
        if memory.size < HEADER_BYTES + TELEMETRY_BYTES:
            memory.close()
            raise TimelineError(f"{path} is too short to be a timeline. Start its host again.")
        timeline = cls(memory)
        found = timeline.load(Field.MAGIC), timeline[Field.VERSION], timeline[Field.SIZE]
        if found != (MAGIC, VERSION, memory.size):
            timeline.close()
            raise TimelineError(
                f"{path} is not a timeline of version {VERSION} (magic {found[0]:#x}, version {found[1]}, "
                f"{found[2]} bytes). Use the same version of verdigris on both sides."
            )
        return timeline

    @property
    def owner_gone(self) -> bool:
        """True if the owner has ended or another memory has this path. For a side that attached."""
        return self._memory.owner_gone

    def __getitem__(self, field: Field) -> int:
        """Return a field that does not change concurrently (no acquire)."""
        return int(self.header[field])

    def load(self, field: Field) -> int:
        """Return a counter, with acquire."""
        return int(self._atomic.load(self._address + 8 * field))

    def store(self, field: Field, value: int) -> None:
        """Write a counter, with release."""
        self._atomic.store(self._address + 8 * field, value)

    @property
    def rings(self) -> npt.NDArray[np.float32]:
        """Rings [4, channels, capacity]: dry, wet A, wet B, monitor."""
        start = HEADER_BYTES + TELEMETRY_BYTES
        flat = np.frombuffer(self._memory.map, np.float32, offset=start)
        return flat.reshape(RINGS, self[Field.CHANNELS], self[Field.CAPACITY])

    @property
    def telemetry(self) -> npt.NDArray[np.uint8]:
        """Bytes between header and rings, read and written by telemetry.py."""
        return np.frombuffer(self._memory.map, np.uint8, TELEMETRY_BYTES, HEADER_BYTES)

    def read(self, ring: int, start: int, out: npt.NDArray[np.float32]) -> None:
        """Copy samples [start, start + T) of a ring into out [C, T].

        The caller checks that they are valid.
        """
        samples = self.rings[ring]
        first, head = self._split(start, out.shape[1])
        out[:, :head] = samples[:, first : first + head]
        out[:, head:] = samples[:, : out.shape[1] - head]

    def write(self, ring: int, start: int, audio: npt.NDArray[np.float32]) -> None:
        """Copy audio [C, T] into samples [start, start + T) of a ring.

        The caller publishes the counter.
        """
        samples = self.rings[ring]
        first, head = self._split(start, audio.shape[1])
        samples[:, first : first + head] = audio[:, :head]
        samples[:, : audio.shape[1] - head] = audio[:, head:]

    def _split(self, start: int, count: int) -> tuple[int, int]:
        """Return the first ring index and the number of samples before the wrap."""
        first = start & (self[Field.CAPACITY] - 1)
        return first, min(count, self[Field.CAPACITY] - first)

    def close(self) -> None:
        """Release the memory; the owner also removes its path.

        Views keep the mapping alive until they are freed.
        """
        del self.header
        self._memory.close()


class TimelineView(Timeline):
    """Read-only timeline for observers; needs no numba.

    Counters are read without acquire: on a machine that reorders loads, the newest samples may be
    missing from a picture.
    """

    _WRITES = False

    def _start(self) -> None:
        """Do nothing: there is no counter to store."""

    def load(self, field: Field) -> int:
        """Return a counter, without acquire."""
        return int(self.header[field])


def runtime_directory() -> Path:
    """Return the user's own directory for timelines (mode 0700), in memory where possible.

    A timeline on a disk would make the audio thread wait for write-back, so /dev/shm is preferred
    to the temporary directory. Raises TimelineError if the directory cannot be created or is not
    the user's.
    """
    directory = folders.runtime_path()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise TimelineError(
            f"{directory} cannot be created ({error.strerror}). Set XDG_RUNTIME_DIR to a directory of your own."
        ) from error
    if not folders.is_own(directory):
        raise TimelineError(f"{directory} belongs to another user. Set XDG_RUNTIME_DIR to a directory of your own.")
    return directory


def remove_stale(directory: Path) -> list[Path]:
    """Remove timelines whose owner has ended; return their paths."""
    removed = []
    for path in directory.glob("*.timeline"):
        with contextlib.suppress(OSError):
            if shared_memory.remove_if_stale(path):
                removed.append(path)
    return removed
