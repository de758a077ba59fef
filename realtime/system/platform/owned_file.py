"""Small files that belong to a living process: session files, and names of shared memory.

A file without its process is stale: any process that reads it removes it. POSIX: the owner holds a
lock, and a new content replaces the file. Windows: the owner keeps the file open, so that nobody
else can remove it, and writes in place.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

if sys.platform == "win32":
    BUSY_S = 0.5  # longest wait at the end for another process that reads the file

    class OwnedFile:
        """File of this process. One thread. OSError from the constructor and `write`."""

        def __init__(self, path: Path, content: bytes) -> None:
            """Create the file, or replace a stale one."""
            self.path = path
            path.unlink(missing_ok=True)  # refused while another process owns it
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_BINARY, 0o600)
            self._size = 0
            self.write(content)

        def write(self, content: bytes) -> None:
            """Replace the content; a shorter one is filled with spaces, in one write."""
            self._size = max(self._size, len(content))
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, content.ljust(self._size))

        def close(self) -> None:
            """Remove the file."""
            if self._descriptor < 0:
                return
            os.close(self._descriptor)
            self._descriptor = -1
            until = time.perf_counter() + BUSY_S
            while True:
                try:
                    self.path.unlink(missing_ok=True)
                    return
                except OSError:  # a reader; if it stays, the next one removes the file
                    if time.perf_counter() > until:
                        return
                    time.sleep(0.002)

    def read_owned(path: Path) -> bytes | None:
        """Return the content; None, after removing the file, if its owner has ended.

        OSError if it cannot be read.
        """
        with contextlib.suppress(PermissionError):  # its owner has it open
            path.unlink()
            return None
        return path.read_bytes()

else:
    from realtime.system.platform.locks import try_lock

    class OwnedFile:
        """File of this process. One thread. OSError from the constructor and `write`."""

        def __init__(self, path: Path, content: bytes) -> None:
            """Create the file, or replace a stale one."""
            self.path = path
            self._descriptor = -1
            self.write(content)

        def write(self, content: bytes) -> None:
            """Replace the file; the new one is locked before it gets the name, so never stale."""
            new = self.path.with_name(f"{self.path.name}.new")
            descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            try_lock(descriptor)
            os.write(descriptor, content)
            os.replace(new, self.path)
            self._release()
            self._descriptor = descriptor

        def _release(self) -> None:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

        def close(self) -> None:
            """Remove the file."""
            if self._descriptor >= 0:
                with contextlib.suppress(OSError):
                    self.path.unlink(missing_ok=True)
                self._release()

    def read_owned(path: Path) -> bytes | None:
        """Return the content; None, after removing the file, if its owner has ended.

        OSError if it cannot be read.
        """
        with path.open("rb") as file:
            if not try_lock(file.fileno()):  # refused while the owner lives
                return file.read()
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):  # it has not been replaced meanwhile
                path.unlink(missing_ok=True)
                return None
        return read_owned(path)
