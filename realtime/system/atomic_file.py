"""Atomic file writing: a file gets its name once it is complete, so no partial file appears under
that name.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path


class FileError(Exception):
    """File that cannot be read or written; the message names the file, the reason and a remedy."""


class AtomicFile:
    """File written to the temporary path `working`, then renamed by `commit` or removed by
    `discard`.

    An existing file of that name stays in place until `commit`.
    """

    def __init__(self, path: Path) -> None:
        """Create an empty `working`. Raises FileError if `path` cannot be written."""
        self.path = path
        target = Path(os.path.realpath(path))  # a symbolic link stays, the file it points to is replaced
        part = f".{target.name[:40]}.{uuid.uuid4().hex[:8]}.part"
        self.working = target.with_name(part) if target.name else target
        self._target = target
        try:
            check_replaceable(path)
            self.working.touch()
        except (OSError, ValueError) as error:
            raise FileError(
                f"{path}: cannot be written ({reason(error)}). Pass a file in a directory you may write to."
            ) from error

    def commit(self) -> None:
        """Rename `working` to the target. Raises FileError on failure, after removing `working`."""
        try:
            self.working.replace(self._target)
        except OSError as error:
            self.discard()
            raise FileError(f"{self.path}: could not be finished ({reason(error)}). Pass another.") from error

    def discard(self) -> None:
        """Remove `working`; does nothing after `commit`."""
        self.working.unlink(missing_ok=True)


def expand_user(name: str) -> Path:
    """Return the path of a name that did not pass through a shell, with ~ expanded to the user's
    home.
    """
    return Path(os.path.expanduser(name))  # Path.expanduser raises for users without a home


def check_writable(path: Path) -> None:
    """Raise FileError if no file can be written at `path`; call it before a long computation."""
    AtomicFile(path).discard()


def check_replaceable(path: Path) -> None:
    """Raise OSError if `path` exists and may not be overwritten: a directory, a device, a pipe."""
    if path.exists() and not path.is_file():
        raise OSError(0, "it is a directory" if path.is_dir() else "it is not an ordinary file")


def same_file(one: Path, other: Path) -> bool:
    """Return True if both paths exist and lead to the same file, links included."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def check_distinct(source: Path, *targets: Path) -> None:
    """Raise FileError if a target is the source itself, or if two targets are the same file."""
    paths = [os.path.realpath(target) for target in targets]
    for number, target in enumerate(targets):
        if same_file(source, target):
            raise FileError(f"{target}: the input itself. Pass another file for the output.")
        if paths[number] in paths[:number]:
            raise FileError(f"{target}: named twice, for two outputs. Pass two files.")


def reason(error: Exception) -> str:
    """Return the reason in the system's words, without error number and path."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
