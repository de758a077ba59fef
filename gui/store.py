"""What the window remembers: its state, and presets, as JSON in the user's configuration directory."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from realtime.client import config_directory


class Store:
    """One file of state, one for each preset. What cannot be read is as if it were not there."""

    def __init__(self, place: Path | None = None) -> None:
        self.place = place or config_directory()

    def load(self) -> dict[str, Any]:
        """The state that was saved last; empty the first time."""
        return _read(self.place / "window.json")

    def save(self, state: dict[str, Any]) -> None:
        _write(self.place / "window.json", state)

    def presets(self) -> list[str]:
        """Names, sorted."""
        with contextlib.suppress(OSError):
            return sorted(path.stem for path in (self.place / "presets").glob("*.json"))
        return []

    def load_preset(self, name: str) -> dict[str, Any]:
        return _read(self._preset(name))

    def save_preset(self, name: str, values: dict[str, Any]) -> str:
        """Keep it, over one of the same name; "" or why it could not be."""
        return _write(self._preset(name), values)

    def _preset(self, name: str) -> Path:
        safe = "".join(letter if letter.isalnum() or letter in " -_.," else "_" for letter in name).strip(" .")
        return self.place / "presets" / f"{safe or 'preset'}.json"


def _read(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _write(path: Path, facts: dict[str, Any]) -> str:
    """Whole or not at all."""
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(facts, indent=1), encoding="utf-8")
        new.replace(path)
    except OSError as error:
        return f"{path} cannot be written ({error.strerror}). Free some space there."
    return ""
