"""The performance counter for code that numba compiles: the same clock as `time.perf_counter_ns`."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic


@intrinsic
def integers_at(typing_context: Any, address: Any) -> Any:
    """Return the address as an int64 pointer."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], ir.IntType(64).as_pointer())

    return types.CPointer(types.int64)(types.int64), emit


if sys.platform == "win32":

    def compile_clock() -> Any:
        """Compile now_ns(scratch), where `scratch` is the address of two int64 of its caller."""
        kernel = ctypes.WinDLL("kernel32")
        found = ctypes.c_int64()
        kernel.QueryPerformanceFrequency(ctypes.byref(found))
        frequency = found.value  # ticks a second
        counter = kernel.QueryPerformanceCounter
        counter.argtypes, counter.restype = (ctypes.c_size_t,), ctypes.c_int

        @njit(inline="always")
        def now_ns(scratch):  # type: ignore[no-untyped-def]
            counter(scratch)
            ticks = carray(integers_at(scratch), (2,))[0]
            return ticks // frequency * 1_000_000_000 + ticks % frequency * 1_000_000_000 // frequency

        return now_ns

else:
    _CLOCK_ID = 8 if sys.platform == "darwin" else 1  # the clock of time.perf_counter: UPTIME_RAW, MONOTONIC

    def compile_clock() -> Any:
        """Compile now_ns(scratch), where `scratch` is the address of two int64 of its caller."""
        clock = ctypes.CDLL(None).clock_gettime
        clock.argtypes, clock.restype = (ctypes.c_int, ctypes.c_size_t), ctypes.c_int

        @njit(inline="always")
        def now_ns(scratch):  # type: ignore[no-untyped-def]
            clock(_CLOCK_ID, scratch)
            time = carray(integers_at(scratch), (2,))
            return time[0] * 1_000_000_000 + time[1]

        return now_ns
