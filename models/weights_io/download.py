"""Resumable download of a released file, verified by its SHA-256.

The file has its final name only when it is complete.

    NAME.partial    the bytes so far; the next call continues (HTTP range requests, RFC 9110 section 14)
    NAME.lock       held while one process downloads; another one waits, then finds the file

Offline, the error comes within a second: a child process tries the connection first, because
resolving a host name has no time limit of its own.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from models.codec import CodecError

HUB = "https://huggingface.co"
CONNECT_S = 0.8  # timeout of the first connection
READ_S = 30.0  # timeout of a read
MAX_FUTILE_TRIES = 3  # in a row without new bytes
CHUNK = 1 << 20  # bytes
ProgressFn = Callable[[int, int], None]  # gets the bytes that are here and all of them (0: unknown)
OFFLINE = ("HF_HUB_OFFLINE", "VERDIGRIS_OFFLINE")  # environment variables that forbid any connection
_PROBE = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3])).close()"


@dataclass(frozen=True)
class RemoteFile:
    """File of a release. `url` may be hub:OWNER/NAME@REVISION/FILE for the Hugging Face Hub."""

    name: str
    url: str
    size: int = 0  # bytes, approximate; 0: unknown
    sha256: str = ""  # hex digits, all or the first ones; empty: unknown, the one that the Hub declares counts

    @property
    def repository(self) -> str:
        """Return OWNER/NAME on the Hub; empty elsewhere."""
        return self.url.removeprefix("hub:").partition("@")[0] if self.url.startswith("hub:") else ""

    @property
    def address(self) -> str:
        """Return the URL of the download; HF_ENDPOINT replaces the Hub's host."""
        if not self.repository:
            return self.url
        revision, _, path = self.url.partition("@")[2].partition("/")
        return f"{os.environ.get('HF_ENDPOINT', HUB).rstrip('/')}/{self.repository}/resolve/{revision}/{path}"

    @property
    def page(self) -> str:
        """Return the URL of the page for people."""
        return f"{HUB}/{self.repository}" if self.repository else self.url


def download(file: RemoteFile, folder: Path, remedy: str, on_progress: ProgressFn | None = None) -> Path:
    """Return the path of the complete and verified file in `folder`; download it if it is missing.

    Show progress on stderr if it is a terminal, and pass it to `on_progress`. Raise CodecError,
    ending in `remedy`, if the file is not available.
    """
    target = folder / file.name
    if target.is_file():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{file.name}.lock"):
            if not target.is_file():
                _complete(file, target, remedy, on_progress)
    except OSError as error:
        space = " The disk is full." if error.errno == errno.ENOSPC else ""
        raise CodecError(f"{target}: cannot be written ({error.strerror}).{space} {remedy}") from error
    return target


def check_online(file: RemoteFile, remedy: str) -> None:
    """Raise CodecError unless the host of a file or its proxy accepts a connection.

    The message ends in `remedy`.
    """
    forbidden = [name for name in OFFLINE if os.environ.get(name, "0").lower() not in ("", "0", "false", "no", "off")]
    if forbidden:
        raise CodecError(f"{file.name} is not on this computer, and {forbidden[0]} forbids the download. {remedy}")
    address = urllib.parse.urlsplit(file.address)
    proxy = urllib.request.getproxies().get(address.scheme)
    if proxy and not urllib.request.proxy_bypass(address.hostname or ""):
        address = urllib.parse.urlsplit(proxy)
    port = address.port or (443 if address.scheme == "https" else 80)
    command = [sys.executable, "-I", "-S", "-c", _PROBE, address.hostname or "", str(port), str(CONNECT_S)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=CONNECT_S + 0.1)
    except (subprocess.SubprocessError, OSError) as error:
        raise CodecError(
            f"{file.name} is not on this computer, and {address.hostname} cannot be reached. {remedy}"
        ) from error


def _complete(file: RemoteFile, target: Path, remedy: str, on_progress: ProgressFn | None) -> None:
    """Download the rest of a file, verify it and give it its final name."""
    partial = target.with_name(f"{target.name}.partial")
    headers: dict[str, str] = {}  # of the first response, before redirects
    tries = 0
    with _progress(file, on_progress) as progress:
        while True:
            have = partial.stat().st_size if partial.exists() else 0
            try:
                if _continue(file, partial, headers, progress):
                    break
                problem = "the connection ended"
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != 416:
                    raise CodecError(f"{_refusal(file, error)} {remedy}") from error
                partial.unlink()  # it is longer than the file on the server
                problem = "its size changed"
            except (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError) as error:
                problem = str(getattr(error, "reason", error)) or type(error).__name__
            now = partial.stat().st_size if partial.exists() else 0
            tries = 0 if now > have else tries + 1
            if tries == MAX_FUTILE_TRIES:
                total = (_total(headers) or file.size) / 1e6
                raise CodecError(
                    f"{file.name} could not be downloaded completely: {problem} after {now / 1e6:.1f} MB of "
                    f"{total:.1f} MB. Run the command again: it continues from there. {remedy}"
                )
    wanted = file.sha256 or _declared(headers)
    with partial.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if wanted and not found.startswith(wanted):
        partial.unlink()
        raise CodecError(
            f"{file.name} from {file.page} is not the released file: its SHA-256 begins with {found[:12]}, "
            f"expected {wanted[:12]}. It was deleted. Run the command again, or report it. {remedy}"
        )
    partial.replace(target)


def _continue(file: RemoteFile, partial: Path, headers: dict[str, str], progress: _Progress) -> bool:
    """Append the rest of a file to `partial`; return True if it is complete."""
    have = partial.stat().st_size if partial.exists() else 0
    total = _total(headers)
    if total and have == total:
        return True
    request = urllib.request.Request(file.address, headers={"User-Agent": "verdigris", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    if file.repository and (token := _token()):
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(_Headers(headers))
    with opener.open(request, timeout=READ_S) as answer:
        resumed = answer.status == 206
        have = have if resumed else 0
        for name, value in answer.headers.items():
            headers.setdefault(name.lower(), value)
        length = int(answer.headers.get("Content-Length", -1))
        if length >= 0:
            headers["total"] = str(have + length)
        with partial.open("ab" if resumed else "wb") as out:
            return _copy(answer, out, have, have + length if length >= 0 else None, progress)


def _copy(answer: Any, out: IO[bytes], have: int, total: int | None, progress: _Progress) -> bool:
    """Write the bytes of a response; return True if all of them arrived."""
    while chunk := answer.read1(CHUNK):
        out.write(chunk)
        have += len(chunk)
        progress.show(have, total)
    return total is None or have == total


def _refusal(file: RemoteFile, error: urllib.error.HTTPError) -> str:
    """Return a sentence about an HTTP error and its remedy."""
    if error.code in (401, 403) and file.repository:
        return (
            f"{file.repository} asks for its terms to be accepted ({error.code}). Accept them at {file.page}, "
            "run `hf auth login`, then try again."
        )
    if error.code in (401, 403, 404, 410):
        return (
            f"{file.name} is not at {file.address} any more ({error.code}): it was renamed, moved or withdrawn. "
            "A newer Verdigris may know its new place."
        )
    return f"{file.page} answered {error.code} {error.reason}. Try again later."


def _total(headers: Mapping[str, str]) -> int:
    """Return the size of a file in bytes from the headers; 0 if unknown."""
    return int(headers.get("x-linked-size") or headers.get("total") or 0)


def _declared(headers: Mapping[str, str]) -> str:
    """Return the SHA-256 that the Hub declares for a large file; empty if it declares none."""
    found = re.search(r"[0-9a-f]{64}", headers.get("x-linked-etag", ""))
    return found[0] if found else ""


def _token() -> str:
    """Return the user's access token for the Hub, as its own client reads it.

    Empty if there is none.
    """
    if given := os.environ.get("HF_TOKEN"):
        return given
    try:
        return (hub_home() / "token").read_text(encoding="utf-8").strip()
    except (OSError, ValueError, RuntimeError):
        return ""


def hub_home() -> Path:
    """Return the directory of the Hub's client: HF_HOME, or its default in the user's cache."""
    if given := os.environ.get("HF_HOME"):
        return Path(given)
    return xdg_cache() / "huggingface"


def xdg_cache() -> Path:
    """Return the cache directory of other packages: XDG_CACHE_HOME, or ~/.cache on every system."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


class _Headers(urllib.request.HTTPRedirectHandler):
    """Redirect handler that keeps the headers of redirects.

    The Hub declares size and SHA-256 there.
    """

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Keep the headers, then redirect as usual."""
        for name, value in headers.items():
            self._headers.setdefault(name.lower(), value)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Progress:
    """Progress bar on stderr if it is a terminal, and a function that gets the same numbers."""

    def __init__(self, on_progress: ProgressFn | None, bar: Any = None, task: Any = None) -> None:
        self._on_progress, self._bar, self._task = on_progress, bar, task

    def show(self, have: int, total: int | None) -> None:
        """Show `have` of `total` bytes."""
        if self._on_progress:
            self._on_progress(have, total or 0)
        if self._bar is not None:
            self._bar.update(self._task, completed=have, total=total)


@contextlib.contextmanager
def _progress(file: RemoteFile, on_progress: ProgressFn | None) -> Any:
    if not sys.stderr.isatty():
        yield _Progress(on_progress)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        yield _Progress(on_progress, bar, bar.add_task(file.name, total=file.size or None))
