"""Pointers from addresses, for callbacks that numba compiles."""

from __future__ import annotations

import ctypes
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from realtime.system.atomics import load_acquire, store_release

FLOATS, DOUBLES, INTEGERS = (types.CPointer(t) for t in (types.float32, types.float64, types.int64))
UNSIGNED_LONG = types.uint32 if ctypes.sizeof(ctypes.c_ulong) == 4 else types.uint64  # of C; types.ulong is numpy's


def _pointer(element: Any, width: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], width.as_pointer())

    return types.CPointer(element)(types.int64), emit


@intrinsic
def floats_at(typing_context: Any, address: Any) -> Any:
    """Return the address as a float32 pointer."""
    return _pointer(types.float32, ir.FloatType())


@intrinsic
def doubles_at(typing_context: Any, address: Any) -> Any:
    """Return the address as a float64 pointer."""
    return _pointer(types.float64, ir.DoubleType())


@njit("int64(int64[::1], int64)", cache=True)
def load_field(memory, field):  # type: ignore[no-untyped-def]
    """Load memory[field] with acquire."""
    return load_acquire(memory.ctypes.data + 8 * field)


@njit("void(int64[::1], int64, int64)", cache=True)
def store_field(memory, field, value):  # type: ignore[no-untyped-def]
    """Store memory[field] with release."""
    store_release(memory.ctypes.data + 8 * field, value)
