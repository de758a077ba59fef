"""Cores that this process may use (of the machine, of its affinity, of its own limit), and if they
are free.
"""

from __future__ import annotations

import os
from pathlib import Path

MAX_PRESSURE = 60.0  # percent of the time; a start of our own processes alone makes up to 30
THREADS_VARIABLE = "VERDIGRIS_THREADS"  # a limit for this process and those it starts


def usable_cores() -> int:
    """Return the number of cores that this process may run on, at least 1.

    The environment variable VERDIGRIS_THREADS lowers it.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = os.environ.get(THREADS_VARIABLE, "")
    return max(1, min(cores, int(given))) if given.isdigit() and int(given) else cores


def limit_cores(count: int) -> None:
    """Let networks of this process and of its children use at most so many threads each.

    Must run before torch is imported.
    """
    os.environ[THREADS_VARIABLE] = os.environ["OMP_NUM_THREADS"] = str(count)


def cores_are_free(pressure: Path = Path("/proc/pressure/cpu")) -> bool:
    """Return False if some task waited for a core most of the last ten seconds, by Linux' pressure
    stall information; elsewhere if the load average of a minute exceeds the cores.

    https://docs.kernel.org/accounting/psi.html
    """
    try:
        some = pressure.read_text().partition("\n")[0]
        return float(some.partition("avg10=")[2].partition(" ")[0]) < MAX_PRESSURE
    except (OSError, ValueError):
        return not hasattr(os, "getloadavg") or os.getloadavg()[0] <= usable_cores()
