"""Session files: one small file per live session of this user, for the window and other clients.

`PID.session` is stored beside the timelines (layout.py), mode 0600, as JSON. It belongs to its
process (owned_file.py); a file without an owner is stale and is removed when another session starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from realtime.system.platform.owned_file import OwnedFile, read_owned
from realtime.timeline.layout import runtime_directory

LOADING, PLAYING = "loading", "playing"


@dataclass(frozen=True)
class SessionRecord:
    """Contents of a session file."""

    pid: int
    state: str  # LOADING (also during a restart) or PLAYING
    driver: str  # device, clock or plugin
    codecs: tuple[str, ...]  # CODEC[:PATH] of the slots in use, as requested
    started: float  # Unix seconds
    port: int = 0  # of OSC (UDP and TCP); 0 until the server runs
    timeline: str = ""  # path; empty until the timeline exists
    path: Path = field(default=Path(), compare=False)  # of the file itself


class SessionFile:
    """Session file of its owner; `close` removes it.

    One thread. OSError if it cannot be written.
    """

    def __init__(self, driver: str, codecs: tuple[str, ...], name: str = "") -> None:
        """`name` distinguishes sessions of one process."""
        directory = runtime_directory()
        sessions()  # removes stale files
        path = directory / f"{os.getpid()}{name}.session"
        self.session = SessionRecord(os.getpid(), LOADING, driver, codecs, time.time(), path=path)
        self._file = OwnedFile(path, self._content())

    def update(self, **facts: Any) -> None:
        """Write changed fields, given by name."""
        self.session = replace(self.session, **facts)
        self._file.write(self._content())

    def _content(self) -> bytes:
        facts = asdict(self.session)
        del facts["path"]
        return json.dumps(facts).encode()

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


def sessions() -> list[SessionRecord]:
    """Return the live sessions, newest first, and remove stale files. Any process of this user."""
    found = []
    for path in runtime_directory().glob("*.session"):
        with contextlib.suppress(OSError, ValueError, TypeError):
            if session := read(path):
                found.append(session)
    return sorted(found, key=lambda session: session.started, reverse=True)


def read(path: Path) -> SessionRecord | None:
    """Return the record in a file, or None (and remove the file) if its owner has ended.

    Raises OSError, ValueError or TypeError if it cannot be read.
    """
    content = read_owned(path)
    if content is None:
        return None
    facts = json.loads(content)
    return SessionRecord(**{**facts, "codecs": tuple(facts["codecs"])}, path=path)
