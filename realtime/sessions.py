"""The live sessions of this user: a small file each, by which the window and other clients find them.

`PID.session` lies beside the timelines (timeline.py), mode 0600: JSON, written whole. Its owner holds a lock on it; one
without an owner is no session, and is removed when another session starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from realtime.timeline import runtime_directory

try:
    import fcntl
except ImportError:  # Windows: no advisory locks, so nothing is swept there
    fcntl = None  # type: ignore[assignment]

LOADING, PLAYING = "loading", "playing"


@dataclass(frozen=True)
class Session:
    """What a session says of itself."""

    pid: int
    state: str  # LOADING, also while it loads anew for a restart, or PLAYING
    driver: str  # device, clock
    codecs: tuple[str, ...]  # CODEC[:PATH] of the slots in use, as asked for
    started: float  # Unix seconds
    port: int = 0  # of OSC (UDP and TCP); 0 before there is one
    timeline: str = ""  # path; empty before there is one
    path: Path = field(default=Path(), compare=False)  # of the file itself


class SessionFile:
    """The owner's end, from one thread. OSError if it cannot be written; `close` removes it."""

    def __init__(self, driver: str, codecs: tuple[str, ...], name: str = "") -> None:
        """`name` tells sessions of one process apart."""
        directory = runtime_directory()
        sessions()  # sweeps
        path = directory / f"{os.getpid()}{name}.session"
        self.session = Session(os.getpid(), LOADING, driver, codecs, time.time(), path=path)
        self._descriptor = -1
        self._write()

    def update(self, **facts: Any) -> None:
        """Say what has changed."""
        self.session = replace(self.session, **facts)
        self._write()

    def _write(self) -> None:
        """Another file in its place, locked before it has the name, so that nobody takes it for abandoned."""
        new = self.session.path.with_suffix(".new")
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        facts = asdict(self.session)
        del facts["path"]
        os.write(descriptor, json.dumps(facts).encode())
        os.replace(new, self.session.path)
        self._let_go()
        self._descriptor = descriptor

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.session.path.unlink(missing_ok=True)
        self._let_go()


def sessions() -> list[Session]:
    """Those that live, the newest first; files of those that do not are removed. Any process of this user."""
    found = []
    for path in runtime_directory().glob("*.session"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            if session := read(path):
                found.append(session)
    return sorted(found, key=lambda session: session.started, reverse=True)


def read(path: Path) -> Session | None:
    """One file; None if its owner is gone, which removes it. OSError, ValueError or TypeError if it cannot be read."""
    with path.open("rb") as file:
        if fcntl:
            with contextlib.suppress(OSError):  # refused while the owner lives
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):  # it has not been written anew meanwhile
                    path.unlink(missing_ok=True)
                    return None
                return read(path)
        facts = json.load(file)
    return Session(**{**facts, "codecs": tuple(facts["codecs"])}, path=path)
