"""Log of the program: the tree "verdigris", shown on the console as plain lines.

Modules log with `logging.getLogger("verdigris.NAME")`. The command line calls `show_on_console`
once; used as a library, the packages print nothing.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

from realtime.system.console_stream import drop_console

ROOT = "verdigris"


def _print(line: str) -> None:
    print(line, flush=True)


class ConsoleHandler(logging.Handler):
    """Handler that writes each message as one line, without time or level, to `write`."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.write: Callable[[str], None] = _print

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. A console that cannot be written to is dropped."""
        try:
            self.write(record.getMessage())
        except (OSError, ValueError) as error:
            drop_console(getattr(error, "strerror", None) or error)


_CONSOLE = ConsoleHandler()


def show_on_console() -> None:
    """Print what is logged from now on to the standard output. Calling it twice changes nothing."""
    root = logging.getLogger(ROOT)
    root.setLevel(logging.INFO)
    root.propagate = False
    root.addHandler(_CONSOLE)


@contextlib.contextmanager
def console_output(write: Callable[[str], None]) -> Iterator[None]:
    """Write console lines by `write`, such as a view that redraws below them, until the context
    ends.
    """
    before, _CONSOLE.write = _CONSOLE.write, write
    try:
        yield
    finally:
        _CONSOLE.write = before
