"""Wrong usage, said in one line."""

from __future__ import annotations

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Wrong usage is said in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {one_line(message)}. See {self.prog} --help\n")


def one_line(message: str) -> str:
    """File names may hold line ends and worse."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
