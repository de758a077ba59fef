"""The plug-in's C from Python: its playout, whole inserts, and a micro-host for LV2.

The library is compiled once per test session, with every function visible. Without a compiler these
tests skip.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from models.load import load
from realtime.parameters.plugin_ports import BENDS
from realtime.plugin import build, reserved_latency
from realtime.timeline.layout import Field, Timeline, runtime_directory
from realtime.timeline.playout import PlayoutState
from realtime.worker.codec_lane import CodecLane
from realtime.worker.scheduler import Worker

F32P = ctypes.POINTER(ctypes.c_float)
PAIR = F32P * 2


class PlayoutMemory(ctypes.Structure):
    """struct Playout of playout.h."""

    _fields_ = [
        ("h", ctypes.c_void_p),
        ("rings", ctypes.c_void_p),
        ("s", ctypes.c_int64 * PlayoutState.SIZE),
        ("waiting_ns", ctypes.c_int64),
        ("gave_up", ctypes.c_bool),
    ]


@functools.cache
def library_path() -> Path:
    """Return the library, compiled into a bundle of its own."""
    if build.compiler() is None:
        pytest.skip("no C compiler here: apt-get install gcc libc6-dev")
    place = Path(tempfile.mkdtemp(prefix="verdigris-insert-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    bundle = place / "insert.lv2"
    shutil.copytree(build.BUNDLE, bundle, ignore=shutil.ignore_patterns("*.so"))
    return build.compile_library(bundle / "insert.so", "-fvisibility=default", "-Werror")


@functools.cache
def library() -> ctypes.CDLL:
    found = ctypes.CDLL(str(library_path()))
    found.insert_new.restype = ctypes.c_void_p
    found.insert_new.argtypes = []
    found.insert_free.argtypes = [ctypes.c_void_p]
    found.insert_activate.argtypes = [ctypes.c_void_p, ctypes.c_double, ctypes.c_int64, ctypes.c_int64]
    found.insert_activate.restype = ctypes.c_bool
    found.insert_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_float]
    found.insert_run.argtypes = [ctypes.c_void_p, PAIR, PAIR, ctypes.c_int64]
    found.playout_process.argtypes = [ctypes.c_void_p, PAIR, PAIR, ctypes.c_int64, ctypes.c_int64]
    found.reserved_latency.argtypes = [ctypes.c_int64]
    found.reserved_latency.restype = ctypes.c_int64
    return found


def pair(planar: np.ndarray) -> Any:
    """Return two channels [2, n] as C pointers; the array must stay alive."""
    assert planar.dtype == np.float32
    assert planar.flags.c_contiguous
    return PAIR(*(channel.ctypes.data_as(F32P) for channel in planar))


class NativePlayout:
    """A playout in C, with the interface of `realtime.timeline.playout.Playout`."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.memory = PlayoutMemory(timeline.header.ctypes.data, timeline.rings.ctypes.data)
        library().playout_activate(ctypes.byref(self.memory))

    def process(self, inp: np.ndarray, now_ns: int) -> np.ndarray:
        """Process one block [n, 2]."""
        planar = np.array(inp.T, order="C")  # a copy; in place, as hosts do
        library().playout_process(ctypes.byref(self.memory), pair(planar), pair(planar), len(inp), now_ns)
        return np.ascontiguousarray(planar.T)

    def finish(self) -> None:
        library().playout_finish(ctypes.byref(self.memory))


def wait_until(condition: object, what: str, seconds: float = 60.0) -> None:
    """Poll a callable; AssertionError with `what` if it does not come true."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.005)


class Feature(ctypes.Structure):
    _fields_ = [("uri", ctypes.c_char_p), ("data", ctypes.c_void_p)]


MAP = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_char_p)
STORE = ctypes.CFUNCTYPE(
    *(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p),
    *(ctypes.c_size_t, ctypes.c_uint32, ctypes.c_uint32),
)
RETRIEVE = ctypes.CFUNCTYPE(
    *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32),
    *(ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_uint32), ctypes.POINTER(ctypes.c_uint32)),
)
FEATURES = ctypes.POINTER(ctypes.POINTER(Feature))


class UridMap(ctypes.Structure):
    _fields_ = [("handle", ctypes.c_void_p), ("map", MAP)]


class Option(ctypes.Structure):
    _fields_ = [
        *(("context", ctypes.c_int), ("subject", ctypes.c_uint32), ("key", ctypes.c_uint32)),
        *(("size", ctypes.c_uint32), ("type", ctypes.c_uint32), ("value", ctypes.c_void_p)),
    ]


class Descriptor(ctypes.Structure):
    _fields_ = [
        ("uri", ctypes.c_char_p),
        (
            "instantiate",
            ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_double, ctypes.c_char_p, FEATURES),
        ),
        ("connect_port", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)),
        ("activate", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
        ("run", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32)),
        ("deactivate", ctypes.c_void_p),
        ("cleanup", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
        ("extension_data", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p)),
    ]


class StateInterface(ctypes.Structure):
    _fields_ = [
        (
            "save",
            ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, STORE, ctypes.c_void_p, ctypes.c_uint32, FEATURES),
        ),
        (
            "restore",
            ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, RETRIEVE, ctypes.c_void_p, ctypes.c_uint32, FEATURES),
        ),
    ]


CONTROLS = ("monitor", "gain", "wet", "enabled", *(name.replace(".", "_") for name in BENDS))
REPORTS = ("latency", "engine", "holes")


class Lv2Host:
    """One instance of the insert in a host of one thread."""

    def __init__(self, rate: float = 48_000.0, *, max_block: int = 0, nominal: int = 0, state: bytes = b"") -> None:
        self._uris: list[bytes] = []
        self._map = MAP(lambda handle, uri: self._number(uri))
        self._urid = UridMap(None, self._map)
        self._values = [ctypes.c_int32(max_block), ctypes.c_int32(nominal)]
        keys = (b"maxBlockLength", b"nominalBlockLength")
        self._options = (Option * 3)()
        for option, key, value in zip(self._options, keys, self._values, strict=False):
            option.key = self._number(b"http://lv2plug.in/ns/ext/buf-size#" + key)
            option.size, option.type = 4, self._number(b"http://lv2plug.in/ns/ext/atom#Int")
            option.value = ctypes.cast(ctypes.byref(value), ctypes.c_void_p)
        given = (
            (b"http://lv2plug.in/ns/ext/urid#map", ctypes.byref(self._urid)),
            (b"http://lv2plug.in/ns/ext/options#options", self._options),
        )
        self._features = [Feature(uri, ctypes.cast(data, ctypes.c_void_p)) for uri, data in given]
        pointers = (ctypes.POINTER(Feature) * 3)(*(ctypes.pointer(feature) for feature in self._features))
        found = library().lv2_descriptor
        found.restype = ctypes.POINTER(Descriptor)
        self._plugin = found(0).contents
        self._handle = self._plugin.instantiate(None, rate, b"", pointers)
        self.controls = {name: ctypes.c_float() for name in (*CONTROLS, "freewheel", *REPORTS)}
        self.controls["monitor"].value = self.controls["wet"].value = self.controls["enabled"].value = 1.0
        self.controls["bend_hold_frames"].value = 1.0
        for number, control in enumerate(self.controls.values(), 4):
            self._plugin.connect_port(self._handle, number, ctypes.byref(control))
        if state:
            self._restore(state)

    def _number(self, uri: bytes) -> int:
        if uri not in self._uris:
            self._uris.append(uri)
        return self._uris.index(uri) + 1

    def set(self, **values: float) -> None:
        for name, value in values.items():
            self.controls[name].value = value

    def __getitem__(self, name: str) -> float:
        return float(self.controls[name].value)

    def activate(self) -> Lv2Host:
        self._plugin.activate(self._handle)
        return self

    def run(self, inp: np.ndarray) -> np.ndarray:
        """Process a block [2, n] in place, as hosts do."""
        block = np.array(inp, np.float32, order="C")
        for port in range(4):
            self._plugin.connect_port(self._handle, port, block[port % 2].ctypes.data)
        self._plugin.run(self._handle, block.shape[1])
        return block

    def play(self, inp: np.ndarray, block: int | Iterator[int]) -> np.ndarray:
        """Process all of inp [2, T], in blocks of one size or of several."""
        sizes = itertools.repeat(block) if isinstance(block, int) else block
        done, pieces = 0, []
        while done < inp.shape[1]:
            pieces.append(self.run(inp[:, done : done + next(sizes)]))
            done += pieces[-1].shape[1]
        return np.concatenate(pieces, axis=1)

    @property
    def _state(self) -> StateInterface:
        found = self._plugin.extension_data(b"http://lv2plug.in/ns/ext/state#interface")
        return ctypes.cast(found, ctypes.POINTER(StateInterface)).contents

    def save(self) -> bytes:
        """Return the text that the host stores."""
        kept: list[bytes] = []

        def store(handle: Any, key: int, value: int, size: int, kind: int, flags: int) -> int:
            assert (self._uris[key - 1], flags) == (b"urn:verdigris:insert#state", 3)
            assert self._uris[kind - 1] == b"http://lv2plug.in/ns/ext/atom#String"
            kept.append(ctypes.string_at(value, size))
            return 0

        assert self._state.save(self._handle, STORE(store), None, 0, None) == 0
        (text,) = kept
        assert text.endswith(b"\0")
        return text

    def _restore(self, text: bytes) -> None:
        buffer = ctypes.create_string_buffer(text, len(text))

        def retrieve(handle: Any, key: int, size: Any, kind: Any, flags: Any) -> int:
            size[0], kind[0], flags[0] = len(text), self._number(b"http://lv2plug.in/ns/ext/atom#String"), 3
            return ctypes.addressof(buffer)

        self.restored = self._state.restore(self._handle, RETRIEVE(retrieve), None, 0, None) == 0

    def close(self) -> None:
        self._plugin.cleanup(self._handle)


class Inserts:
    """Hosts of a test, closed at its end."""

    def __init__(self) -> None:
        self._hosts: list[Lv2Host] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Lv2Host:
        self._hosts.append(Lv2Host(*args, **kwargs))
        return self._hosts[-1]

    def close(self, host: Lv2Host | None = None) -> None:
        for one in [host] if host else list(self._hosts):
            self._hosts.remove(one)
            one.close()


def noise(size: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal((2, size))).astype(np.float32)


def insert_files() -> list[Path]:
    return sorted(runtime_directory().glob("insert-*.timeline"))


def reserve(latency: int, rate: int = 48_000) -> None:
    """Make new inserts reserve this latency."""
    reserved_latency.reserve(latency, 0, rate)


L = 2048  # samples that new inserts reserve, at 48 kHz


@contextmanager
def private_inserts(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inserts]:
    """Provide hosts in a runtime and a configuration directory of the test's own."""
    (place / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place / "run"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place / "config"))
    reserve(L)
    made = Inserts()
    try:
        yield made
    finally:
        made.close()


class Engine:
    """A worker that is stepped by hand: it plays codecs on the only insert."""

    def __init__(self, *codecs: str, rate: int = 48_000) -> None:
        (path,) = insert_files()
        self.timeline = Timeline.attach(path)
        lanes = [CodecLane(load(name, rate=rate), [(slot, "discrete")], rate) for slot, name in enumerate(codecs)]
        self.timeline.header[Field.SLOTS] = (1 << len(codecs)) - 1
        self.worker = Worker(self.timeline, lanes)
        self.work()

    def work(self) -> None:
        while self.worker.step():
            pass

    def close(self) -> None:
        self.worker.finish()
        del self.worker
        self.timeline.close()


class Host(Protocol):
    def run(self, inp: np.ndarray) -> np.ndarray: ...


def play(host: Host, engine: Engine, inp: np.ndarray, sizes: Iterator[int]) -> np.ndarray:
    """Blocks, with all the work done between them."""
    done, pieces = 0, []
    while done < inp.shape[1]:
        pieces.append(host.run(inp[:, done : done + next(sizes)]))
        done += pieces[-1].shape[1]
        engine.work()
    return np.concatenate(pieces, axis=1)


def random_sizes(seed: int = 0) -> Iterator[int]:
    rng = np.random.default_rng(seed)
    while True:
        yield 441 if rng.random() < 0.1 else int(rng.integers(1, 1025))
