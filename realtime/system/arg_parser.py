"""Argument parser that reports wrong usage in one line."""

from __future__ import annotations

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """`ArgumentParser` whose errors are one line and point to --help."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {escape_control_chars(message)}. See {self.prog} --help\n")


def escape_control_chars(message: str) -> str:
    """Return the message with line ends and control characters escaped; file names may contain
    them.
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
