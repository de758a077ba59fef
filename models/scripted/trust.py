"""Consent to run scripted modules: one file for each, by its SHA-256, in the user's configuration.

    trusted-models/SHA256.json    {"path": ..., "codec": name or "", "row": row of the catalogue or {}}

A changed file has another hash, and needs a consent of its own. No OSC message can give one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs

from models.codec import CodecError
from models.scripted.archive import ScriptedFile, read_archive

FOLDER = "trusted-models"
COMMAND = ("verdigris", "trust")  # gives consent: followed by the path


class ConsentError(CodecError):
    """Module that the user has not consented to; `command` would give consent."""

    def __init__(self, file: ScriptedFile) -> None:
        self.command = shlex.join([*COMMAND, str(file.path.resolve())])
        super().__init__(
            f'"{file.path.name}" is a program, and you have not allowed it yet (SHA-256 {file.sha256[:16]}...). '
            f"If you trust its maker, pass --trust once, or run: {self.command}"
        )


def directory() -> Path:
    """Return the directory of consents, in the user's configuration."""
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))  # on every system, as realtime does
    if base.is_absolute():
        return base / "verdigris" / FOLDER
    return platformdirs.user_config_path("verdigris", appauthor=False, roaming=True) / FOLDER


def read_trusted(path: Path) -> ScriptedFile:
    """Return the facts of an archive that may be run.

    ConsentError if the user has not consented to it, CodecError if it is damaged or was refused.
    """
    file = read_archive(path)
    if not _place(file.sha256).is_file():
        raise ConsentError(file)
    return file


def give_consent(path: Path) -> ScriptedFile:
    """Store the user's consent to a file; CodecError if it is refused whatever the user says."""
    file = read_archive(path)
    if not _place(file.sha256).is_file():
        _store(file, {})
    return file


def revoke_consent(path: Path) -> None:
    """Forget the user's consent to a file. CodecError if the file or the configuration cannot be used."""
    try:
        _place(read_archive(path).sha256).unlink(missing_ok=True)
    except OSError as error:
        raise CodecError(f"the consent cannot be removed from {directory()} ({error.strerror}).") from error


def remember(file: ScriptedFile, **facts: Any) -> None:
    """Store facts of a trusted file that was loaded, for the catalogue and for tapes."""
    with contextlib.suppress(OSError):
        if _place(file.sha256).is_file():
            _store(file, facts)


def entries() -> Iterator[dict[str, Any]]:
    """Yield the stored facts of all trusted files that still exist; unreadable entries are left out."""
    for place in sorted(directory().glob("*.json")):
        with contextlib.suppress(OSError, ValueError, RecursionError):
            found = json.loads(place.read_text())
            if isinstance(found, dict) and Path(str(found.get("path"))).is_file():
                yield found


def _place(sha256: str) -> Path:
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError(f"{sha256} is not a SHA-256")
    return directory() / f"{sha256}.json"


def _store(file: ScriptedFile, facts: dict[str, Any]) -> None:
    """Replace the entry of a file. CodecError if the configuration cannot be written."""
    place = _place(file.sha256)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        working = place.with_suffix(f".{os.getpid()}.new")
        working.write_text(json.dumps({"path": str(file.path.resolve()), **facts}))
        working.replace(place)
    except OSError as error:
        raise CodecError(f"the consent cannot be stored in {place.parent} ({error.strerror}).") from error
