"""Memory and time for callbacks that numba compiles: pointers from addresses, and the system's clock."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic

from realtime.atomic import load_acquire, store_release

FLOATS, DOUBLES, INTEGERS = (types.CPointer(t) for t in (types.float32, types.float64, types.int64))


def _pointer(element: Any, width: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], width.as_pointer())

    return types.CPointer(element)(types.int64), emit


@intrinsic
def floats_at(typing_context: Any, address: Any) -> Any:
    """The float32 pointer of an address."""
    return _pointer(types.float32, ir.FloatType())


@intrinsic
def doubles_at(typing_context: Any, address: Any) -> Any:
    """The float64 pointer of an address."""
    return _pointer(types.float64, ir.DoubleType())


@intrinsic
def integers_at(typing_context: Any, address: Any) -> Any:
    """The int64 pointer of an address."""
    return _pointer(types.int64, ir.IntType(64))


@njit("int64(int64[::1], int64)", cache=True)
def load_field(memory, field):  # type: ignore[no-untyped-def]
    """Acquire one int64 of many."""
    return load_acquire(memory.ctypes.data + 8 * field)


@njit("void(int64[::1], int64, int64)", cache=True)
def store_field(memory, field, value):  # type: ignore[no-untyped-def]
    """Release one int64 of many."""
    store_release(memory.ctypes.data + 8 * field, value)


_CLOCK_ID = 8 if sys.platform == "darwin" else 1  # the one that time.monotonic reads: UPTIME_RAW, MONOTONIC


def compile_clock() -> Any:
    """now_ns(scratch, time_info, offset): the monotonic clock, where the system lets compiled code ask for it.

    `scratch` is the address of two int64. Elsewhere it is the stream's own clock, in time_info, and `offset` ns.
    """
    if sys.platform == "win32":

        @njit(inline="always")
        def by_stream(scratch, time_info, offset):  # type: ignore[no-untyped-def]
            return types.int64(time_info[1] * 1e9) + offset

        return by_stream
    clock = ctypes.CDLL(None).clock_gettime
    clock.argtypes, clock.restype = (ctypes.c_int, ctypes.c_size_t), ctypes.c_int

    @njit(inline="always")
    def by_system(scratch, time_info, offset):  # type: ignore[no-untyped-def]
        clock(_CLOCK_ID, scratch)
        time = carray(integers_at(scratch), (2,))
        return time[0] * 1_000_000_000 + time[1]

    return by_system
