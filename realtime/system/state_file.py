"""JSON objects that several sessions keep in one file: settings, snapshots, presets, histories.

An update reads the file, changes the object and replaces the file, all under a lock file, so that
sessions beside each other lose nothing. The file is written to a temporary name, flushed to the disk
and renamed. Each entry of the object has a line of its own. A damaged file or entry is copied to a
`.bad` file beside it, reported once, and the readable entries are kept.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

LOCK_S = 2.0  # longest wait for another session that writes
MAX_BYTES = 64 << 20  # a larger file is not ours
MAX_BAD_FILES = 100  # of one state file; further damage replaces the last one
Entries = dict[str, Any]
LOG = logging.getLogger("verdigris.state")


def _any(name: str, value: Any) -> bool:
    return True


class StateFile:
    """Object of named entries in a file. Any thread; a call may wait LOCK_S for another session."""

    def __init__(
        self,
        path: Path,
        is_entry: Callable[[str, Any], bool] = _any,
        report: Callable[[str], None] = LOG.warning,
    ) -> None:
        """`is_entry` returns False for a damaged entry; `report` takes a line for the user."""
        self.path, self._is_entry, self._report = path, is_entry, report

    def load(self) -> Entries:
        """Return the readable entries; set a damaged file or entry aside. Raises nothing."""
        try:
            entries, damage = self._parse(self._read())
        except OSError as error:
            self._say(f"{self.path}: cannot be read ({_reason(error)}). It is not used.")
            return {}
        if damage:
            try:
                with self._lock():
                    entries = self._load_and_repair()
            except OSError as error:
                self._say(f"{self.path}: {damage}, and it cannot be repaired ({_reason(error)}). The rest is used.")
        return entries

    def update(self, change: Callable[[Entries], Entries]) -> Entries:
        """Replace the entries by `change` of the current ones, and return them.

        Raises OSError if the file cannot be written; it is then as before.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock():
            entries = change(self._load_and_repair())
            replace_file(self.path, dump(entries))
        return entries

    def stamp(self) -> tuple[int, int, int]:
        """Return time, size and inode of the file; zeros if there is none."""
        try:
            status = self.path.stat()
        except (OSError, ValueError):
            return (0, 0, 0)
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> bytes:
        """Return the content, b"" without a file. OSError if it cannot be read whole."""
        try:
            if self.path.exists() and not self.path.is_file():
                raise OSError(0, "it is not an ordinary file")
            with self.path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return b""
        except ValueError as error:  # a path with a null character
            raise OSError(0, str(error)) from error
        if len(raw) > MAX_BYTES:
            raise OSError(0, f"it has more than {MAX_BYTES >> 20} MB")
        return raw

    def _parse(self, raw: bytes) -> tuple[Entries, str]:
        """Return the readable entries and a description of the damage, "" if there is none."""
        if not raw:
            return {}, ""
        damage = ""
        try:
            found = json.loads(raw)
        except (ValueError, RecursionError):
            found, damage = salvage(raw), "it is damaged"
        if not isinstance(found, dict):
            return {}, "it is not a JSON object"
        good = {name: value for name, value in found.items() if self._is_entry(name, value)}
        if not damage and len(good) < len(found):
            damage = f"damaged entries: {', '.join(repr(name)[:40] for name in found if name not in good)[:200]}"
        return good, damage

    def _load_and_repair(self) -> Entries:
        """Return the readable entries; copy a damaged file to a `.bad` file and repair it. Locked."""
        raw = self._read()
        entries, damage = self._parse(raw)
        if damage:
            kept = set_aside(self.path, raw)
            replace_file(self.path, dump(entries))
            self._say(f"{self.path}: {damage}. It was kept as {kept.name}; {len(entries)} entries are used.")
        return entries

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError):  # a console that is gone
            self._report(line)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        lock = FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=LOCK_S)
        try:
            lock.acquire(poll_interval=0.01)
        except Timeout as error:
            raise OSError(0, "another program holds it") from error
        except NotImplementedError:  # a file system without locks
            yield
            return
        try:
            yield
        finally:
            lock.release()


def dump(entries: Entries) -> bytes:
    """Return the object as JSON with one line for each entry."""
    lines = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in entries.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode() if entries else b"{}\n"


def salvage(raw: bytes) -> Entries:
    """Return the entries of a damaged object that can be read.

    They are those before the first fault, and those on intact lines of their own.
    """
    found: Entries = {}
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = raw[: error.start].decode("utf-8-sig", "ignore")
    decoder, at = json.JSONDecoder(), _after(text, 0, "{")
    with contextlib.suppress(ValueError, RecursionError):
        while text.startswith('"', at):
            name, at = decoder.raw_decode(text, at)
            value, at = decoder.raw_decode(text, _after(text, at, ":"))
            if not text.startswith((",", "}"), _after(text, at)):
                break  # the value may be cut short, as 12 of 123
            found[name] = value
            at = _after(text, at, ",")
    for line in raw.split(b"\n"):
        if line.startswith(b'"'):
            with contextlib.suppress(ValueError, RecursionError):
                found.update(json.loads(b"{" + line.rstrip(b"\r").removesuffix(b",") + b"}"))
    return found


def _after(text: str, at: int, sign: str = "") -> int:
    """Return the place after white space, one `sign` and white space."""
    for expected in ("", sign):
        if text.startswith(expected, at):
            at += len(expected)
        while text[at : at + 1] in (" ", "\t", "\r", "\n"):
            at += 1
    return at


def set_aside(path: Path, raw: bytes) -> Path:
    """Write the content of a damaged file to a free `.bad` name beside it, and return that path."""
    names = [path.with_name(f"{path.name}{number}.bad") for number in ("", *(f".{n}" for n in range(2, MAX_BAD_FILES)))]
    for kept in names:
        with contextlib.suppress(FileExistsError):
            with kept.open("xb") as file:
                file.write(raw)
            return kept
        if kept.is_file() and kept.read_bytes() == raw:
            return kept
    replace_file(names[-1], raw)
    return names[-1]


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file atomically; the content is on the disk before it gets the name.

    A symbolic link stays. Raises OSError; the file is then as before.
    """
    target = Path(os.path.realpath(path))
    working = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        with working.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        working.replace(target)
    except OSError:
        with contextlib.suppress(OSError):
            working.unlink()
        raise
    with contextlib.suppress(OSError):  # directories cannot be opened on Windows
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
