"""JACK library that PortAudio uses: the system's, or PipeWire's where PipeWire runs and no jackd does.

PipeWire brings a libjack of its own, in a directory that the dynamic linker does not search. A
library that is loaded before PortAudio satisfies PortAudio's dependency of the same SONAME
(ld.so(8)), so that JACK devices of PipeWire are found without pw-jack.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Mapping
from pathlib import Path

if sys.platform == "linux":
    import socket

    PLACES = ("/usr/lib/*/pipewire-*/jack", "/usr/lib64/pipewire-*/jack", "/usr/lib/pipewire-*/jack")
    JACKD_SOCKETS = Path("/dev/shm")

    def choose_library(environment: Mapping[str, str] = os.environ) -> str | None:
        """Return the path of PipeWire's libjack to load; None for the system's.

        PipeWire's is taken where its server runs, no jackd of this user does, and
        JACK_DEFAULT_SERVER names none.
        """
        if "JACK_DEFAULT_SERVER" in environment or _jackd_runs():
            return None
        directory = environment.get("PIPEWIRE_RUNTIME_DIR") or environment.get("XDG_RUNTIME_DIR", "")
        if not _answers(Path(directory) / environment.get("PIPEWIRE_REMOTE", "pipewire-0")):
            return None
        found = [path for place in PLACES for path in sorted(Path("/").glob(f"{place[1:]}/libjack.so.0"))]
        return str(found[0]) if found else None

    def _jackd_runs() -> bool:
        return any(_answers(path) for path in JACKD_SOCKETS.glob(f"jack_default_{os.getuid()}_*"))

    def _answers(path: Path) -> bool:
        """Return True if a process listens on a Unix socket; one of a dead process remains as a file."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end, contextlib.suppress(OSError):
            end.settimeout(1.0)
            end.connect(str(path))
            return True
        return False

else:

    def choose_library(environment: Mapping[str, str] = os.environ) -> str | None:
        """Return None: PipeWire is Linux's."""
        return None


def load_library(path: str | None) -> None:
    """Load a libjack before PortAudio does; None leaves PortAudio the system's.

    A library that does not load is left out.
    """
    if path:
        with contextlib.suppress(OSError):
            ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)


def request_block(block: int, rate: int) -> None:
    """Ask PipeWire for blocks of `block` samples, for the JACK client that PortAudio opens.

    Call it before PortAudio starts. A user's own PIPEWIRE_LATENCY stays.
    """
    os.environ.setdefault("PIPEWIRE_LATENCY", f"{block}/{rate}")
