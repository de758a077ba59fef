"""Settings kept in the user's configuration directory between runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from realtime.system.platform.folders import config_directory
from realtime.system.state_file import StateFile, replace_file

IsEntry = Callable[[str, Any], bool]  # (name, value): False for a damaged entry


def load_json(name: str, is_entry: IsEntry | None = None) -> dict[str, Any]:
    """Return the readable entries of the object in a file; a damaged one is set aside (StateFile)."""
    return _file(name, is_entry).load()


def update_json(name: str, change: Callable[[dict[str, Any]], dict[str, Any]], is_entry: IsEntry | None = None) -> None:
    """Replace the object in a file by `change` of it; other sessions wait, so that nothing is lost.

    A directory that cannot be written is ignored.
    """
    with contextlib.suppress(OSError):
        _file(name, is_entry).update(change)


def store_json(name: str, content: dict[str, Any]) -> None:
    """Replace the object in a file; `update_json` keeps the entries of other sessions.

    A directory that cannot be written is ignored.
    """
    update_json(name, lambda _: content)


def store_text(name: str, text: str) -> None:
    """Replace the file `name` in the configuration directory.

    A directory that cannot be written is ignored.
    """
    path = config_directory() / name
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode())


def _file(name: str, is_entry: IsEntry | None) -> StateFile:
    path = config_directory() / name
    return StateFile(path, is_entry) if is_entry else StateFile(path)
