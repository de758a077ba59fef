"""Encoding of the standard streams."""

from __future__ import annotations

import io
import sys

if sys.platform == "win32":
    ENCODING: str | None = "utf-8"  # a pipe or a file gets the system's code page otherwise, without ×, … and →
else:
    ENCODING = None  # as the user's locale says


def print_any_text(stream: object) -> None:
    """Let a standard stream print any text and file name."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding=ENCODING, errors="backslashreplace")
