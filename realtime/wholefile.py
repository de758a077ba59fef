"""Files that have their name only once all of them is written, so that a half-written one is never found there."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


class FileError(Exception):
    """A file that cannot be read or written; the message says what was given, what is allowed, what to do."""


class WholeFile:
    """Write to `working`, then `commit` or `discard`. What had the name before stays until then."""

    def __init__(self, path: Path) -> None:
        """Make an empty `working`; FileError if no file can be written at path."""
        self.path = path
        place = Path(os.path.realpath(path))  # through a link, not in place of it
        self.working = place.with_name(f".{place.name[:40]}.{uuid.uuid4().hex[:8]}.part") if place.name else place
        self._place = place
        try:
            check_replaceable(path)
            self.working.touch()
        except (OSError, ValueError) as error:
            raise FileError(
                f"{path}: cannot be written ({reason(error)}). Pass a file in a directory you may write to."
            ) from error

    def commit(self) -> None:
        """Give it its name; FileError if that cannot be, and then nothing is left of it."""
        try:
            self.working.replace(self._place)
        except OSError as error:
            self.discard()
            raise FileError(f"{self.path}: could not be finished ({reason(error)}). Pass another.") from error

    def discard(self) -> None:
        """Remove what was written; nothing after `commit`."""
        self.working.unlink(missing_ok=True)


def expanded(name: str) -> Path:
    """The path of a name that no shell has seen: ~ is the user's home."""
    return Path(os.path.expanduser(name))  # Path's own raises where there is no home


def check_writable(path: Path) -> None:
    """FileError if no file can be written there: to be heard before the work that is to be written."""
    WholeFile(path).discard()


def check_replaceable(path: Path) -> None:
    """OSError if what is at path is no file of the kind that may be written over: a directory, a device."""
    if path.exists() and not path.is_file():
        raise OSError(0, "it is a directory" if path.is_dir() else "it is not an ordinary file")


def same_file(one: Path, other: Path) -> bool:
    """Whether both are there and are one file, through links too."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def check_apart(source: Path, *targets: Path) -> None:
    """FileError if what is to be written would take the place of what is read, or two of them each other's."""
    places = [os.path.realpath(target) for target in targets]
    for number, target in enumerate(targets):
        if same_file(source, target):
            raise FileError(f"{target}: the input itself. Pass another file for the output.")
        if places[number] in places[:number]:
            raise FileError(f"{target}: named twice, to write two things to. Pass two files.")


def reason(error: Exception) -> str:
    """Why, in the system's words, without the number and the path."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
