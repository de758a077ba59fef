"""Suppression of stderr around libraries whose errors are reported here in one line, with a remedy."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def suppress_stderr() -> Iterator[None]:
    """Discard everything that this process writes to file descriptor 2 inside the context."""
    try:
        saved = os.dup(2)
    except OSError:  # this process has no stderr
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def keep_stderr_for_python() -> None:
    """Discard from now on what libraries write to file descriptor 2; Python's tracebacks stay."""
    try:
        stream = os.fdopen(os.dup(2), "w", buffering=1)
    except OSError:  # this process has no stderr
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    sys.stderr = stream
