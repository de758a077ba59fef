"""Names of this system and processor, for tables of files and of advice. Imports nothing slow."""

from __future__ import annotations

import os
import platform
import sys

SYSTEM = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")
ALWAYS_HAS_DISPLAY = SYSTEM != "linux"  # elsewhere the window system is part of the system
BUNDLES_PORTAUDIO = SYSTEM != "linux"  # the wheel of sounddevice brings it


def architecture() -> str:
    """Return the processor that programs run on: x86_64, arm64 or another."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(name, name)


if sys.platform == "win32":

    def ticks_per_second() -> int:
        """Return the unit of times in /proc; there is none here."""
        return 1

    def load() -> float:
        """Return 0: Windows does not tell how many programs wanted a core."""
        return 0.0

    def waiting_share() -> float | None:
        """Return None: Windows does not tell how long programs waited for a core."""
        return None

else:

    def ticks_per_second() -> int:
        """Return the unit of times in /proc."""
        return os.sysconf("SC_CLK_TCK")

    def load() -> float:
        """Return the programs that wanted a core in the last minute; 0 where unknown."""
        try:
            return os.getloadavg()[0]
        except OSError:
            return 0.0

    def waiting_share() -> float | None:
        """Return the part of the last 10 s in which a program waited for a core; None where unknown.

        Pressure stall information, https://docs.kernel.org/accounting/psi.html
        """
        try:
            with open("/proc/pressure/cpu", encoding="ascii") as file:
                _, average, *_ = file.readline().split()
            return float(average.partition("=")[2]) / 100
        except (OSError, ValueError):
            return None
