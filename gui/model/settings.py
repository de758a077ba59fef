"""Settings of the window: its state and presets, as JSON in the user's configuration directory.

Several windows may run at once: files are read, changed and replaced under a lock (StateFile). A
preset holds its name beside its values; its file is named by a readable part and a hash of the name,
so that no two names share a file on any system. Files of version 0.1 are named by the readable part
alone, hold no name, and are still found.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from pathlib import Path
from typing import Any

from realtime.client import StateFile, config_directory

PRESET_NAME = "preset"  # key of the name in a preset's file; no parameter has it
READABLE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
MAX_READABLE = 40  # characters
HASH_DIGITS = 16
LOG = logging.getLogger("verdigris.window")
Values = dict[str, Any]


class Settings:
    """One file of state, and one for each preset. Damaged files are set aside and reported."""

    def __init__(self, directory: Path | None = None) -> None:
        """Use a directory, by default that of the user's configuration."""
        self._directory = directory or config_directory()
        self.remarks: list[str] = []  # about damaged files; the window shows and removes them

    def load(self) -> Values:
        """Return the saved state; {} if there is none."""
        return self._file(self._directory / "window.json").load()

    def save(self, state: Values) -> None:
        """Save the state; bindings and marks of snapshots of other windows are kept."""
        path = self._directory / "window.json"
        try:
            self._file(path).update(lambda stored: _merged(stored, state))
        except OSError as error:
            self._report(f"{path} cannot be written ({error.strerror or error}). Free some space there.")

    def presets(self) -> list[str]:
        """Return the names of the presets, sorted."""
        return sorted(self._presets())

    def load_preset(self, name: str) -> Values:
        """Return the values of a preset; {} if there is none of this name."""
        path: Path | None = self._preset(name)
        if path and not path.is_file():
            path = self._presets().get(name) or _old_path(self._directory, name)
        if path is None:
            return {}
        return {key: value for key, value in self._file(path).load().items() if key != PRESET_NAME}

    def save_preset(self, name: str, values: Values) -> str:
        """Save a preset, replacing one of the same name; return "" or the error."""
        path = self._preset(name)
        try:
            self._file(path).update(lambda stored: {PRESET_NAME: name, **values})
        except OSError as error:
            return f"{path} cannot be written ({error.strerror or error}). Free some space there."
        return ""

    def _preset(self, name: str) -> Path:
        return self._directory / "presets" / preset_file(name)

    def _presets(self) -> dict[str, Path]:
        """Return the file of each preset by name; those of version 0.1 come last."""
        found: dict[str, Path] = {}
        with contextlib.suppress(OSError):
            paths = sorted((self._directory / "presets").glob("*.json"), key=lambda path: ("~" not in path.stem, path))
            for path in paths:
                stored = self._file(path).load()
                name = stored.get(PRESET_NAME, path.stem) if stored or "~" not in path.stem else ""
                if name:
                    found.setdefault(name, path)
        return found

    def _file(self, path: Path) -> StateFile:
        return StateFile(path, _is_entry, self._report)

    def _report(self, line: str) -> None:
        self.remarks.append(line)
        LOG.warning("%s", line)


def preset_file(name: str) -> str:
    """Return the file name of a preset: letters that every file system has, and a hash of the name."""
    readable = "".join(letter if letter in READABLE else "_" for letter in name.lower())[:MAX_READABLE].strip("_")
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]
    return f"{readable or 'preset'}~{digest}.json"


def _old_path(directory: Path, name: str) -> Path | None:
    """Return the file in which version 0.1 saved a preset, if there is one."""
    safe = "".join(letter if letter.isalnum() or letter in " -_.," else "_" for letter in name).strip(" .")
    path = directory / "presets" / f"{safe or 'preset'}.json"
    with contextlib.suppress(OSError):
        return path if path.is_file() else None
    return None


def _is_entry(name: str, value: Any) -> bool:
    return name != PRESET_NAME or isinstance(value, str)


def _merged(stored: Values, state: Values) -> Values:
    """Return the state of this window with what other windows have bound and marked."""
    found = {**stored, **state}
    bound, bindings = stored.get("bindings"), state.get("bindings")
    if isinstance(bound, dict) and isinstance(bindings, dict):
        found["bindings"] = {**bound, **bindings}
    marked, marks = stored.get("snapshots"), state.get("snapshots")
    if isinstance(marked, list) and isinstance(marks, list):
        found["snapshots"] = sorted({*map(str, marked), *map(str, marks)})
    return found
