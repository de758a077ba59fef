"""Temporary cache directory for numba where it has no writable one.

numba refuses to compile if it can write neither beside the source files nor to the user's home.
This affects users without a home directory and read-only installations.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"


@contextlib.contextmanager
def numba_cache() -> Iterator[None]:
    """Provide a cache directory for this run if numba has no lasting one. Child processes share it.

    Enter it before numba is imported and leave it after the last use.
    """
    if VARIABLE in os.environ or any(map(_is_writable, _default_directories())):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="verdigris-numba-", ignore_cleanup_errors=True) as directory:
        os.environ[VARIABLE] = directory
        try:
            yield
        finally:
            del os.environ[VARIABLE]


def _default_directories() -> tuple[Path, ...]:
    """Return the directories that numba would use: beside the package, then in the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(__file__).parents[1], Path(home)


def _is_writable(directory: Path) -> bool:
    existing = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    return os.access(existing, os.W_OK)
