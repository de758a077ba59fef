"""Acquire and release on 64-bit integers in shared memory, for code that numba compiles and for
Python.

A writer publishes a counter with `store_release` after it has written the counted samples. A reader
calls `load_acquire` before it reads them. Plain numpy accesses would suffice on x86-64 only; these
are correct on ARM too.
"""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

BLAS = "scipy.linalg.cython_blas"
if BLAS not in sys.modules:  # numba imports it for linear algebra, unused here; where scipy is installed that is slow
    sys.modules[BLAS] = None  # type: ignore[assignment]
    import numba.np.arraymath  # noqa: F401 - imports BLAS

    del sys.modules[BLAS]

_I64 = ir.IntType(64)


@intrinsic
def load_acquire(typing_context: Any, address: Any) -> Any:
    """Load the int64 at `address`.

    Later reads see all writes before the matching `store_release`.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(args[0], _I64.as_pointer()), "acquire", 8)

    return types.int64(types.uintp), emit


@intrinsic
def store_release(typing_context: Any, address: Any, value: Any) -> Any:
    """Store an int64 at `address`.

    A thread that loads it with `load_acquire` sees all earlier writes.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], builder.inttoptr(args[0], _I64.as_pointer()), "release", 8)
        return context.get_dummy_value()

    return types.void(types.uintp, types.int64), emit


@njit("int64(uintp)", cache=True)
def load(address: int) -> int:
    """Call `load_acquire` from Python."""
    return int(load_acquire(address))


@njit("void(uintp, int64)", cache=True)
def store(address: int, value: int) -> None:
    """Call `store_release` from Python."""
    store_release(address, value)
