"""View of a part of a file, as if it were a file of its own, with some bytes corrected."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import BinaryIO


class Section:
    """Bytes `head`, then [start, end) of an open file, then `tail`. `patches` are bytes to read in place of
    those at an offset of the section; the file is not changed.
    """

    def __init__(
        self,
        file: BinaryIO,
        start: int,
        end: int,
        patches: Mapping[int, bytes] | None = None,
        *,
        head: bytes = b"",
        tail: bytes = b"",
    ) -> None:
        self._file, self._start, self._end = file, start, max(start, end)
        self._head, self._tail = head, tail
        self._patches = dict(patches or {})
        self._position = 0

    @property
    def _size(self) -> int:
        return len(self._head) + self._end - self._start + len(self._tail)

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes, fewer at the end."""
        left = max(0, self._size - self._position)
        count = left if count < 0 else min(count, left)
        if not count:
            return b""
        data = self._head[self._position : self._position + count]
        at = self._start + self._position + len(data) - len(self._head)
        if len(data) < count and at < self._end:
            self._file.seek(at)
            data += self._file.read(min(count - len(data), self._end - at))
        if len(data) < count and self._tail and self._position + len(data) >= self._size - len(self._tail):
            first = self._position + len(data) - (self._size - len(self._tail))
            data += self._tail[first : first + count - len(data)]
        for offset, patch in self._patches.items():
            first = max(offset, self._position)
            last = min(offset + len(patch), self._position + len(data))
            if first < last:
                place = first - self._position
                data = data[:place] + patch[first - offset : last - offset] + data[place + last - first :]
        self._position += len(data)
        return data

    def part(self, first: int, end: int) -> bytes:
        """Return the bytes [first, end), fewer at the end."""
        self.seek(first)
        return self.read(max(0, end - first))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset of the section and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return the position in the section."""
        return self._position
