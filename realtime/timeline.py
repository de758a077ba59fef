"""The timeline: rings of samples and counters in one memory-mapped file, shared by the host side and the engine.

Every ring is addressed by the absolute number of the input sample: sample k of any ring lies in slot k mod capacity.
The host side writes the input to `dry` and plays k = n - L at time n; the engine writes its version of input sample k
into slot k of a wet ring. A late chunk leaves a hole and can never shift the stream. `heard` is what was played,
addressed by the time n at which it was played, for recording and drawing.

    byte      0  header: int64 fields, one 128-byte line for each writer (offset = 8 * Field)
           4096  telemetry of the engine (telemetry.py)
           8192  float32 rings [4 rings, channels, capacity]: dry, wet A, wet B, heard

A counter has one writer; it is published with release after the samples it counts and read with acquire before them.
No locks. The owner of a file (the host side) holds a lock on it; files without an owner are removed when another is
made. This module knows nothing of codecs, devices or threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import sys
import tempfile
import uuid
from enum import IntEnum
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

try:
    import fcntl
except ImportError:  # Windows: no advisory locks, so nothing is swept there either
    fcntl = None  # type: ignore[assignment]

MAGIC = 0x5645524449475249  # "VERDIGRI"
VERSION = 2
HEADER_BYTES = 4096
TELEMETRY_BYTES = 4096
RINGS = 4
FADE = 256  # samples of every ramp; a power of two, so that all gains are exact
SLOTS = ("a", "b")
DRY, WET, HEARD = 0, 1, 3  # ring numbers; wet B is WET + 1


class Field(IntEnum):
    """Fields of the header, as numbers of int64; the byte offset is eight times that."""

    # written once by the host side, before MAGIC
    MAGIC = 0
    VERSION = 1
    SIZE = 2  # bytes of the whole file
    CHANNELS = 3
    CAPACITY = 4  # samples in a ring, a power of two
    RATE = 5  # Hz
    LATENCY = 6  # L, samples
    MAX_BLOCK = 7  # samples; larger blocks are played in pieces
    FADE = 8  # samples
    SLOTS = 9  # bit 0: slot A is in use, bit 1: slot B; of a plug-in written when codecs attach
    STALL_NS = 10  # a heartbeat older than this is a stall; likewise
    # host side
    DRY_END = 16  # dry is valid below this
    STREAM = 32  # raised at each activation; output is void until ACK matches
    OFFLINE = 33  # 1: the host may wait for the engine
    PLAYED_END = 48  # heard is valid below this
    BLOCKS = 49
    LATE = 50  # holes by kind: the data came late
    STALLED = 51  # the heartbeat stopped for longer than STALL_NS
    DIED = 52  # the engine was gone or replaced
    MISSED = 53  # samples in holes
    HOLE = 54  # 0, or 1 + the kind of the hole that is open
    XRUNS = 55  # blocks the device or the clock lost
    MAX_NS = 56  # longest process() seen
    BLOCK = 57  # a plug-in: the largest block that its host has handed over, or says it will
    # engine
    ACK = 64  # the stream the engine has reset for
    ENGINE = 80  # 0: absent; else counts the engines that have attached
    BEAT = 81  # monotonic clock, ns
    EPOCH_A = 96  # wet A is valid from here ...
    WET_END_A = 97  # ... to below here
    BEFORE_A = 98  # the epoch before this one ...
    CUT_A = 99  # ... and where that run ended
    EPOCH_B = 112
    WET_END_B = 113
    BEFORE_B = 114
    CUT_B = 115
    # control
    GAIN_DRY = 128  # gains in units of 1 / GAIN_ONE
    GAIN_A = 129
    GAIN_B = 130
    FILL = 131  # what a hole is filled with: 0 aligned dry, 1 silence
    # what a plug-in's host automates (automation.py)
    EVENT_END = 144  # events so far in this stream
    PARAM = 160  # 16 float32 as bits: the values now, by port
    # who serves inserts
    CLAIM = 176  # monotonic clock, ns: somebody loads or plays codecs for this insert
    NEEDED = 177  # 0, or the latency that the codecs need and LATENCY is less than
    EVENT = 256  # EVENTS pairs: input sample, port << 32 | float32 bits


GAIN_ONE = 1 << 20
EVENTS = 128  # that are kept
EPOCH = (Field.EPOCH_A, Field.EPOCH_B)
WET_END = (Field.WET_END_A, Field.WET_END_B)
BEFORE = (Field.BEFORE_A, Field.BEFORE_B)
CUT = (Field.CUT_A, Field.CUT_B)
MISS_KINDS = {"late": Field.LATE, "stalled": Field.STALLED, "died": Field.DIED, "xrun": Field.XRUNS}


def layout() -> str:
    """A short name for the header's fields and the unit of gains; another one for others."""
    facts = repr([(field.name, int(field)) for field in Field] + [GAIN_ONE])
    return hashlib.sha256(facts.encode()).hexdigest()[:12]


class TimelineError(Exception):
    """A timeline file that cannot be made or used."""


def capacity_for(latency: int, rate: int, max_block: int) -> int:
    """Samples in a ring: at least twice L and one second, so that a short stall is made good, a power of two."""
    return 1 << (max(2 * latency, latency + 2 * max_block, rate) - 1).bit_length()


class Timeline:
    """The mapped file, seen by either side. `create` makes and owns one; `attach` opens one by its path."""

    _ACCESS = os.O_RDWR

    def __init__(self, path: Path, descriptor: int, *, owner: bool) -> None:
        self.path = path
        self.owner = owner
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
        self.header: npt.NDArray[np.int64] = np.frombuffer(self._map, np.int64, HEADER_BYTES // 8)
        self._address = self.header.ctypes.data
        from realtime import atomic  # numba takes half a second, and whoever only looks (view) needs none of it

        self._atomic = atomic

    @classmethod
    def create(
        cls, *, rate: int, latency: int, max_block: int, slots: int = 3, channels: int = 2, stall_ns: int = 500_000_000
    ) -> Timeline:
        """Make a timeline in the user's runtime directory and own it; abandoned ones are removed first."""
        directory = runtime_directory()
        remove_abandoned(directory)
        capacity = capacity_for(latency, rate, max_block)
        size = HEADER_BYTES + TELEMETRY_BYTES + RINGS * channels * capacity * 4
        path = directory / f"{uuid.uuid4().hex}.timeline"
        unnamed = path.with_suffix(".new")  # named only once it is locked, so that no other start removes it
        try:
            descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise TimelineError(f"{directory} cannot be written to ({error.strerror}). Make it yours.") from error
        try:
            if fcntl:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if hasattr(os, "posix_fallocate"):  # a hole is filled when first touched, and without room that kills
                os.posix_fallocate(descriptor, 0, size)
            else:
                os.ftruncate(descriptor, size)
            os.rename(unnamed, path)
        except OSError as error:
            os.close(descriptor)
            unnamed.unlink(missing_ok=True)
            raise TimelineError(
                f"no room for {size} bytes in {directory} ({error.strerror}). Free some there."
            ) from error
        timeline = cls(path, descriptor, owner=True)
        h = timeline.header
        h[Field.VERSION], h[Field.SIZE], h[Field.CHANNELS], h[Field.CAPACITY] = VERSION, size, channels, capacity
        h[Field.RATE], h[Field.LATENCY], h[Field.MAX_BLOCK], h[Field.FADE] = rate, latency, max_block, FADE
        h[Field.SLOTS], h[Field.STALL_NS] = slots, stall_ns
        h[Field.GAIN_DRY] = GAIN_ONE
        timeline.rings[:] = 0.0  # touch every page now: a fault in the audio thread costs more than a block
        timeline.store(Field.MAGIC, MAGIC)  # publish last
        return timeline

    @classmethod
    def attach(cls, path: Path) -> Self:
        """Open a timeline that another process owns; TimelineError if it is none of ours or of another version."""
        try:
            descriptor = os.open(path, cls._ACCESS)
        except OSError as error:
            raise TimelineError(f"no timeline at {path} ({error.strerror}). Is its host still running?") from error
        if os.fstat(descriptor).st_size < HEADER_BYTES + TELEMETRY_BYTES:
            os.close(descriptor)
            raise TimelineError(f"{path} is too short to be a timeline. Start its host again.")
        timeline = cls(path, descriptor, owner=False)
        found = timeline.load(Field.MAGIC), timeline[Field.VERSION], timeline[Field.SIZE]
        if found != (MAGIC, VERSION, os.fstat(descriptor).st_size):
            timeline.close()
            raise TimelineError(
                f"{path} is not a timeline of version {VERSION} (magic {found[0]:#x}, version {found[1]}, "
                f"{found[2]} bytes). Use the same version of verdigris on both sides."
            )
        return timeline

    @property
    def orphaned(self) -> bool:
        """Whether the owner is gone, or another file has the name by now. For those who attached."""
        try:
            if not os.path.samestat(os.fstat(self._descriptor), self.path.stat()):
                return True
        except FileNotFoundError:
            return True
        if fcntl:
            with contextlib.suppress(OSError):  # refused while the owner lives
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
                return True
        return False

    def __getitem__(self, field: Field) -> int:
        """A field that does not change while others look at it."""
        return int(self.header[field])

    def load(self, field: Field) -> int:
        """Acquire a counter."""
        return int(self._atomic.load(self._address + 8 * field))

    def store(self, field: Field, value: int) -> None:
        """Release a counter."""
        self._atomic.store(self._address + 8 * field, value)

    @property
    def rings(self) -> npt.NDArray[np.float32]:
        """[4, channels, capacity]: dry, wet A, wet B, heard."""
        start = HEADER_BYTES + TELEMETRY_BYTES
        flat = np.frombuffer(self._map, np.float32, offset=start)
        return flat.reshape(RINGS, self[Field.CHANNELS], self[Field.CAPACITY])

    @property
    def telemetry(self) -> npt.NDArray[np.uint8]:
        """The bytes between header and rings; their meaning is telemetry.py's."""
        return np.frombuffer(self._map, np.uint8, TELEMETRY_BYTES, HEADER_BYTES)

    def read(self, ring: int, start: int, out: npt.NDArray[np.float32]) -> None:
        """Copy samples [start, start + T) of a ring into out [C, T]; the caller knows that they are valid."""
        samples = self.rings[ring]
        first, head = self._split(start, out.shape[1])
        out[:, :head] = samples[:, first : first + head]
        out[:, head:] = samples[:, : out.shape[1] - head]

    def write(self, ring: int, start: int, audio: npt.NDArray[np.float32]) -> None:
        """Copy audio [C, T] into samples [start, start + T) of a ring; publishing it is the caller's."""
        samples = self.rings[ring]
        first, head = self._split(start, audio.shape[1])
        samples[:, first : first + head] = audio[:, :head]
        samples[:, : audio.shape[1] - head] = audio[:, head:]

    def _split(self, start: int, count: int) -> tuple[int, int]:
        """First slot, and how many samples lie before the wrap."""
        first = start & (self[Field.CAPACITY] - 1)
        return first, min(count, self[Field.CAPACITY] - first)

    def close(self) -> None:
        """Let go of the memory; the owner removes the file. Views taken from it keep the mapping alive until freed."""
        del self.header
        with contextlib.suppress(BufferError):  # somebody still looks at it; the map goes with the last view
            self._map.close()
        if self.owner:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


class TimelineView(Timeline):
    """A timeline for looking at only, from outside: nothing can be written, and numba is not needed.

    Counters are read without acquire: on a machine that reorders reads, samples that were just written may be missing
    from a picture.
    """

    _ACCESS = os.O_RDONLY

    def __init__(self, path: Path, descriptor: int, *, owner: bool = False) -> None:
        self.path, self.owner, self._descriptor = path, owner, descriptor
        self._map = mmap.mmap(descriptor, os.fstat(descriptor).st_size, access=mmap.ACCESS_READ)
        self.header = np.frombuffer(self._map, np.int64, HEADER_BYTES // 8)

    def load(self, field: Field) -> int:
        return int(self.header[field])


def runtime_directory() -> Path:
    """The user's own directory for timelines, mode 0700; in memory where the system has such a place.

    A timeline on a disk would make the audio thread wait for write-back, hence /dev/shm before the temporary directory.
    """
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and os.access(base, os.W_OK):
        directory = Path(base) / "verdigris"
    else:
        shared = Path("/dev/shm")
        user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
        root = shared if sys.platform == "linux" and os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
        directory = root / f"verdigris-{user}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise TimelineError(
            f"{directory} cannot be made ({error.strerror}). Set XDG_RUNTIME_DIR to a directory of your own."
        ) from error
    if hasattr(os, "getuid") and directory.stat().st_uid != os.getuid():
        raise TimelineError(f"{directory} belongs to another user. Set XDG_RUNTIME_DIR to a directory of your own.")
    return directory


def remove_abandoned(directory: Path) -> list[Path]:
    """Remove timelines whose owner is gone (nobody holds their lock); returns them."""
    removed = []
    for path in directory.glob("*.timeline") if fcntl else ():
        with contextlib.suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while the owner lives
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):  # else it is another's by now
                path.unlink()
                removed.append(path)
    return removed
