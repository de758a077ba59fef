"""Memory that processes share under the path of a file, owned by the process that created it.

Linux: the file is the memory; its directory is in memory (`folders.runtime_directory`). Windows and
macOS: the file only names the memory, because a mapped file lies on a disk there, whose write-back
would delay the audio thread. `native/system_posix.c` and `native/system_windows.c` follow the same rules.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path
from typing import Protocol


class SharedMemory(Protocol):
    """One mapping. `map` stays readable for views that still exist after `close`."""

    path: Path
    map: mmap.mmap
    size: int  # bytes

    @property
    def owner_gone(self) -> bool:
        """True if the owner has ended, or another memory has this path."""
        ...

    def close(self) -> None:
        """Unmap; the owner also removes the path."""
        ...


if sys.platform == "linux":
    from realtime.system.platform.memory_file import attach, create, remove_if_stale
else:
    from realtime.system.platform.named_memory import attach, create, remove_if_stale

__all__ = ["SharedMemory", "attach", "create", "remove_if_stale"]
