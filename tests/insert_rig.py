"""The plug-in's C from Python: its host side, whole inserts, and a micro-host for what LV2 and CLAP see.

The library is compiled once a session, with every function visible. Without a compiler these tests skip.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.callback import State
from realtime.plugin import build
from realtime.timeline import Timeline

F32P = ctypes.POINTER(ctypes.c_float)
PAIR = F32P * 2


class HostMemory(ctypes.Structure):
    """struct Host of host.h."""

    _fields_ = [
        ("h", ctypes.c_void_p),
        ("rings", ctypes.c_void_p),
        ("s", ctypes.c_int64 * State.SIZE),
        ("waiting_ns", ctypes.c_int64),
        ("gave_up", ctypes.c_bool),
    ]


@functools.cache
def library_path() -> Path:
    """The library in a bundle of its own."""
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
    found.insert_new.argtypes = [ctypes.c_double, ctypes.c_int64, ctypes.c_int64]
    found.insert_free.argtypes = found.insert_activate.argtypes = [ctypes.c_void_p]
    found.insert_activate.restype = ctypes.c_bool
    found.insert_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_float]
    found.insert_run.argtypes = [ctypes.c_void_p, PAIR, PAIR, ctypes.c_int64]
    found.host_process.argtypes = [ctypes.c_void_p, PAIR, PAIR, ctypes.c_int64, ctypes.c_int64]
    found.place_default_latency.argtypes = [ctypes.c_int64]
    found.place_default_latency.restype = ctypes.c_int64
    return found


def pair(planar: np.ndarray) -> Any:
    """Two channels [2, n] as C takes them; the array has to stay."""
    assert planar.dtype == np.float32
    assert planar.flags.c_contiguous
    return PAIR(*(channel.ctypes.data_as(F32P) for channel in planar))


class NativeHost:
    """Plays a timeline as `realtime.callback.HostSide` does, in C."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.memory = HostMemory(timeline.header.ctypes.data, timeline.rings.ctypes.data)
        library().host_activate(ctypes.byref(self.memory))

    def process(self, inp: np.ndarray, now_ns: int) -> np.ndarray:
        """Blocks [n, 2]."""
        planar = np.array(inp.T, order="C")  # a copy; in place, as hosts do
        library().host_process(ctypes.byref(self.memory), pair(planar), pair(planar), len(inp), now_ns)
        return np.ascontiguousarray(planar.T)

    def finish(self) -> None:
        library().host_finish(ctypes.byref(self.memory))


def wait_until(condition: object, what: str, seconds: float = 30.0) -> None:
    """Poll a callable; AssertionError with `what` if it does not come true."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.005)
