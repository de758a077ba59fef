"""Console of a session: a thread writes it, so that neither an error nor a stopped reader of the
standard output reaches the stream.

A console that cannot be written to (closed pipe, full disk, terminal gone) is dropped: the standard
output becomes the null device, and the standard error says so once.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import sys
import threading
from typing import TextIO

MAX_WAITING = 256  # texts that wait for a slow reader; further ones are not shown
END_S = 1.0  # longest wait at the end for a reader that has stopped


def drop_console(reason: object) -> None:
    """Go on without a console: discard what is printed from now on. Says so on the standard error."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, sys.stdout.fileno())  # also for the text that Python has buffered
    except (OSError, ValueError):  # a standard output without a file, such as in a test
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - open while the program runs
    finally:
        os.close(null)
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(f"verdigris: the console cannot be written to ({reason}); going on without it", file=sys.stderr)


class ConsoleStream(io.TextIOBase):
    """Text stream in place of the standard output. `write` never waits and raises nothing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._queue: queue.Queue[str | None] = queue.Queue(MAX_WAITING)
        self.error: Exception | None = None  # of the first write that failed
        try:
            stream.flush()
            self._file: int | None = os.dup(stream.fileno())
        except (OSError, ValueError):
            self._file = None  # not a file: written at once
        self._thread = threading.Thread(target=self._run, name="verdigris-console", daemon=True)
        self._thread.start()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Encoding of the standard output."""
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        """Return True if a terminal shows the text."""
        try:
            return self._stream.isatty()
        except ValueError:
            return False

    def fileno(self) -> int:
        """Return the file of the standard output."""
        return self._stream.fileno()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Pass a text to the thread; leave it out if too many wait."""
        if not self.error:
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(text)
        return len(text)

    def finish(self) -> None:
        """Write the rest. A reader that has stopped is left after END_S, and the console dropped."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=END_S)
        self._thread.join(END_S)
        if self._thread.is_alive() and not self.error:
            self.error = TimeoutError("its reader has stopped")
            drop_console(self.error)

    def _run(self) -> None:
        while (text := self._queue.get()) is not None:
            if self.error:
                continue
            try:
                self._write(text)
            except Exception as error:  # noqa: BLE001 - whatever it is, the session goes on without a console
                self.error = error
                drop_console(getattr(error, "strerror", None) or error)

    def _write(self, text: str) -> None:
        if self._file is None:
            self._stream.write(text)
            self._stream.flush()
            return
        data = text.encode(self.encoding, "backslashreplace")
        while data:  # without Python's buffer, whose lock a stopped reader would hold at exit
            data = data[os.write(self._file, data) :]
