"""Acquire and release on 64-bit integers in shared memory, for code that numba compiles and for Python.

A counter is published with `store_release` after the samples it counts were written, and read with `load_acquire`
before they are read. Plain numpy accesses would do on x86-64 only; these are right on ARM too.
"""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

BLAS = "scipy.linalg.cython_blas"
if BLAS not in sys.modules:  # numba looks for it, for linear algebra that we have none of: in 0.12 s, if scipy is there
    sys.modules[BLAS] = None  # type: ignore[assignment]
    import numba.np.arraymath  # noqa: F401 - what asks

    del sys.modules[BLAS]

_I64 = ir.IntType(64)


@intrinsic
def load_acquire(typing_context: Any, address: Any) -> Any:
    """The int64 at `address`; reads after it see what was written before the matching release."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(args[0], _I64.as_pointer()), "acquire", 8)

    return types.int64(types.uintp), emit


@intrinsic
def store_release(typing_context: Any, address: Any, value: Any) -> Any:
    """Write the int64 at `address`; what was written before it is seen by who acquires it."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], builder.inttoptr(args[0], _I64.as_pointer()), "release", 8)
        return context.get_dummy_value()

    return types.void(types.uintp, types.int64), emit


@njit("int64(uintp)", cache=True)
def load(address: int) -> int:
    """`load_acquire`, callable from Python."""
    return int(load_acquire(address))


@njit("void(uintp, int64)", cache=True)
def store(address: int, value: int) -> None:
    """`store_release`, callable from Python."""
    store_release(address, value)
