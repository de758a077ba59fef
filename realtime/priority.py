"""Asking the system to run the threads that audio waits for before others; it may refuse."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

NICE = -11  # what desktop audio servers ask for


def raise_priority() -> bool:
    """Prefer the calling thread and those it will start (Linux) or its process (elsewhere); whether this user may."""
    if hasattr(os, "setpriority"):
        with contextlib.suppress(PermissionError, OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id() if sys.platform == "linux" else 0, NICE)
            return True
    return False
