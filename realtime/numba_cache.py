"""A place for what numba compiles: it refuses to compile where it can write neither beside our files nor to a home.

That is a user without a home, and an installation of somebody else's.
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
    """Before numba is imported, and around all that uses it: a place of this run's, if there is none that lasts.

    Processes that are started meanwhile share it.
    """
    if VARIABLE in os.environ or any(map(_can_be_written, _lasting())):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="verdigris-numba-", ignore_cleanup_errors=True) as place:
        os.environ[VARIABLE] = place
        try:
            yield
        finally:
            del os.environ[VARIABLE]


def _lasting() -> tuple[Path, ...]:
    """Where numba looks."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(__file__).parent, Path(home)


def _can_be_written(place: Path) -> bool:
    there = next(path for path in (place, *place.absolute().parents) if path.exists())
    return os.access(there, os.W_OK)
