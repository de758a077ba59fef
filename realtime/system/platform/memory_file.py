"""Shared memory on Linux: a mapped file, whose owner holds a lock on it."""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from pathlib import Path

from realtime.system.platform.locks import try_lock

assert sys.platform == "linux"  # elsewhere a mapped file may lie on a disk


class FileMemory:
    """`SharedMemory` as a file."""

    def __init__(self, path: Path, descriptor: int, *, owner: bool, write: bool = True) -> None:
        self.path, self._owner, self._descriptor = path, owner, descriptor
        self.size = os.fstat(descriptor).st_size
        self.map = mmap.mmap(descriptor, self.size, access=mmap.ACCESS_WRITE if write else mmap.ACCESS_READ)

    @property
    def owner_gone(self) -> bool:
        """True if the owner has ended, or another file has this path."""
        try:
            if not os.path.samestat(os.fstat(self._descriptor), self.path.stat()):
                return True
            with self.path.open("rb") as file:
                return try_lock(file.fileno())  # refused while the owner lives
        except FileNotFoundError:
            return True

    def close(self) -> None:
        """Unmap; the owner also removes the file."""
        with contextlib.suppress(BufferError):  # views still exist; the mapping ends with the last one
            self.map.close()
        if self._owner:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


def create(path: Path, size: int) -> FileMemory:
    """Create and own `size` bytes of zeros under a new path. OSError without room or permission."""
    working = path.with_suffix(".new")  # renamed once locked, so that no other start removes it
    descriptor = os.open(working, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try_lock(descriptor)
        os.posix_fallocate(descriptor, 0, size)  # a sparse page on a full disk would raise SIGBUS when written
        os.rename(working, path)
    except OSError:
        os.close(descriptor)
        working.unlink(missing_ok=True)
        raise
    return FileMemory(path, descriptor, owner=True)


def attach(path: Path, *, write: bool) -> FileMemory:
    """Open the memory that another process owns. OSError if it does not exist; ValueError if it is empty."""
    descriptor = os.open(path, os.O_RDWR if write else os.O_RDONLY)
    try:
        return FileMemory(path, descriptor, owner=False, write=write)
    except (OSError, ValueError):
        os.close(descriptor)
        raise


def remove_if_stale(path: Path) -> bool:
    """Remove the path if its owner has ended; return True then. OSError if it is gone already."""
    with path.open("rb") as file:
        if not try_lock(file.fileno()) or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return False  # the owner lives, or the path has a new one
        path.unlink()
        return True
