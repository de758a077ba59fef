"""Messages between a scripted module's process and its owner: JSON, then float32 arrays.

    4 bytes: length of the JSON, little-endian · JSON object with "shapes" · the arrays, one after another

Nothing in a message can run code where it is read, which pickled objects could.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

LENGTH = struct.Struct("<I")
MAX_HEADER = 1 << 20  # bytes
MAX_ARRAYS = 64 << 20  # bytes of all arrays of a message
Array = npt.NDArray[np.float32]
Header = dict[str, Any]


class FramingError(Exception):
    """Message that is not of this form."""


def pack(header: Header, arrays: Sequence[Array] = ()) -> bytes:
    """Return the message as bytes."""
    text = json.dumps({**header, "shapes": [list(array.shape) for array in arrays]}).encode()
    return b"".join([LENGTH.pack(len(text)), text, *(np.ascontiguousarray(a, "<f4").tobytes() for a in arrays)])


def read(read_exactly: Callable[[int], bytes]) -> tuple[Header, list[Array]]:
    """Return the next message; `read_exactly` returns as many bytes as it is asked for.

    FramingError if the message is not of this form.
    """
    (length,) = LENGTH.unpack(read_exactly(LENGTH.size))
    if length > MAX_HEADER:
        raise FramingError(f"a header of {length} bytes")
    try:
        header = json.loads(read_exactly(length))
        shapes = [tuple(map(int, shape)) for shape in header.pop("shapes")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FramingError(str(error)) from None
    sizes = [math.prod(shape) for shape in shapes]
    if any(size < 0 for shape in shapes for size in shape) or 4 * sum(sizes) > MAX_ARRAYS:
        raise FramingError(f"arrays of shapes {shapes}")
    return header, [
        np.frombuffer(read_exactly(4 * size), "<f4").reshape(shape) for size, shape in zip(sizes, shapes, strict=True)
    ]
