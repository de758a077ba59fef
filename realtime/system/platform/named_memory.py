"""Shared memory of Windows and macOS: memory with a name, and a small owned file that holds the name.

The file contains "NAME SIZE". Its owner is the owner of the memory (owned_file.py), and the name is
new each time, so memory that an observer of an ended stream still maps is never mistaken for a
new one.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import uuid
from pathlib import Path

from realtime.system.platform.owned_file import OwnedFile, read_owned

if sys.platform == "win32":

    def _new_name() -> str:
        return f"Local\\verdigris-{uuid.uuid4().hex}"

    def _map(name: str, size: int, *, new: bool, write: bool) -> mmap.mmap:
        """Map the memory of that name. Windows also creates it if it is gone, filled with zeros."""
        return mmap.mmap(-1, size, tagname=name, access=mmap.ACCESS_WRITE if write else mmap.ACCESS_READ)

    def _forget(name: str) -> None:
        """Do nothing: Windows frees memory that nobody maps."""

else:
    import _posixshmem  # type: ignore[import-not-found]  # of multiprocessing.shared_memory

    def _new_name() -> str:
        return f"/vd-{uuid.uuid4().hex[:24]}"  # macOS: at most 31 characters

    def _map(name: str, size: int, *, new: bool, write: bool) -> mmap.mmap:
        """Map the memory of that name; `new`: create it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL if new else os.O_RDWR if write else os.O_RDONLY
        descriptor = _posixshmem.shm_open(name, flags, 0o600)
        try:
            if new:
                os.ftruncate(descriptor, size)
            return mmap.mmap(descriptor, size, access=mmap.ACCESS_WRITE if write else mmap.ACCESS_READ)
        finally:
            os.close(descriptor)

    def _forget(name: str) -> None:
        """Remove the name; the memory lives as long as it is mapped."""
        with contextlib.suppress(OSError):
            _posixshmem.shm_unlink(name)


class NamedMemory:
    """`SharedMemory` under a name."""

    def __init__(self, path: Path, label: bytes, mapped: mmap.mmap, size: int, file: OwnedFile | None = None) -> None:
        self.path, self.map, self.size, self._label, self._file = path, mapped, size, label, file

    @property
    def owner_gone(self) -> bool:
        """True if the owner has ended, or another memory has this path."""
        try:
            return read_owned(self.path) != self._label
        except OSError:
            return True

    def close(self) -> None:
        """Unmap; the owner also removes file and name."""
        with contextlib.suppress(BufferError):  # views still exist; the mapping ends with the last one
            self.map.close()
        if self._file:
            self._file.close()
            _forget(_parse(self._label)[0])


def create(path: Path, size: int) -> NamedMemory:
    """Create and own `size` bytes of zeros under a new path. OSError without room or permission."""
    name = _new_name()
    mapped = _map(name, size, new=True, write=True)
    label = f"{name} {size}\n".encode()
    try:
        return NamedMemory(path, label, mapped, size, OwnedFile(path, label))
    except OSError:
        mapped.close()
        _forget(name)
        raise


def attach(path: Path, *, write: bool) -> NamedMemory:
    """Open the memory that another process owns. OSError if it does not exist; ValueError if the file names none."""
    label = path.read_bytes()
    name, size = _parse(label)
    return NamedMemory(path, label, _map(name, size, new=False, write=write), size)


def remove_if_stale(path: Path) -> bool:
    """Remove the path if its owner has ended; return True then. OSError if it is gone already."""
    label = path.read_bytes()
    if read_owned(path) is not None:
        return False
    with contextlib.suppress(ValueError):
        _forget(_parse(label)[0])
    return True


def _parse(label: bytes) -> tuple[str, int]:
    name, size = label[:200].decode("ascii").split()
    if "verdigris-" not in name and not name.startswith("/vd-"):
        raise ValueError(f"{name} is not a name of shared memory")
    return name, int(size)
