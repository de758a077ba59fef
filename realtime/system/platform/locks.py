"""Locks on open files, which end with their process. Other processes can still read the file."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import msvcrt
    import os

    _PLACE = 1 << 30  # a byte beyond the content: Windows keeps others from reading what is locked

    def try_lock(descriptor: int) -> bool:
        """Lock an open file until it is closed; return False if another process holds it."""
        at = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            os.lseek(descriptor, _PLACE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, at, os.SEEK_SET)
        return True

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Lock an open file until it is closed; return False if another process holds it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
