"""Compiling the plug-in: one library that is LV2 and CLAP. Knows nothing but the standard library, for it runs where a
wheel is made, before anything is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BUNDLE = HERE / "bundle"
LIBRARY = BUNDLE / "insert.so"  # so named everywhere: bundles name their library in a file
SOURCES = ("host.c", "insert.c", "place.c", "lv2.c", "clap.c")
# no contraction of a * b + c: samples are to be equal to the bit on every machine
FLAGS = (
    "-std=c11",
    "-D_GNU_SOURCE",
    "-O3",
    "-ffp-contract=off",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
)


class CompilerError(Exception):
    """There is none, or it does not take our sources; the message says what to do."""


def compiler() -> str | None:
    """The C compiler: CC of the environment, else what is there."""
    return os.environ.get("CC") or next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def stale() -> bool:
    """Whether a source is newer than the library."""
    made = LIBRARY.stat().st_mtime
    return any(path.stat().st_mtime > made for path in HERE.glob("*.[ch]"))


def compile_library(target: Path = LIBRARY, *flags: str) -> Path:
    """Make the library; CompilerError if it cannot be. Later flags prevail."""
    if sys.platform == "win32":
        raise CompilerError("the plug-in is not made for Windows yet")
    found = compiler()
    if found is None:
        raise CompilerError("no C compiler here: install gcc or clang, then run verdigris plugin install")
    working = target.with_suffix(f".{os.getpid()}")  # a library that a host has open is not written over
    command = [*found.split(), *FLAGS, *flags, *(str(HERE / name) for name in SOURCES), "-o", str(working), "-lm"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise CompilerError(f"{found} cannot be run ({error.strerror}): install gcc or clang") from error
    if done.returncode != 0:
        working.unlink(missing_ok=True)
        raise CompilerError(f"{found} does not compile the plug-in: {_reason(done.stderr)}")
    working.replace(target)
    return target


def _reason(said: str) -> str:
    lines = said.strip().splitlines() or ["it does not say why"]
    return next((line for line in lines if "error" in line), lines[0])
