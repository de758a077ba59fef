"""Members of an IntEnum as plain integers for code that numba compiles.

numba does not support IntEnum arithmetic everywhere, but folds the fields of a global named tuple
into literals: `memory[F.LEVEL]` compiles to the same machine code as `memory[32]`.
"""

from __future__ import annotations

from collections import namedtuple
from enum import IntEnum
from typing import Any


def enum_constants(enum: type[IntEnum]) -> Any:
    """Return a named tuple with the members of `enum` as plain integers, under their names."""
    fields: Any = namedtuple(enum.__name__, enum.__members__)  # type: ignore[misc]
    return fields(*map(int, enum.__members__.values()))
