"""Latency that new inserts reserve, stored by `verdigris plan` and the insert server.

The file holds two decimal numbers, samples and the rate in Hz. `native/system_posix.c` reads it.
"""

from __future__ import annotations

import contextlib
import logging

from realtime.system.platform.folders import config_directory
from realtime.system.state_file import set_aside
from realtime.system.user_config import store_text

FILE = "insert-latency"
LOG = logging.getLogger("verdigris.plugin")
DEFAULT_SAMPLES, DEFAULT_RATE = 8192, 48_000  # of the plug-in, without a stored one


def reserve(latency: int, compute: int, rate: int) -> int:
    """Store `latency` plus `compute` samples at `rate` Hz for new inserts; return the sum.

    The compute term is added a second time, because a project keeps its latency for years and the
    machine may be busier later. A configuration directory that cannot be written is ignored.
    """
    samples = latency + compute
    store_text(FILE, f"{samples} {rate}\n")
    return samples


def load() -> tuple[int, int] | None:
    """Return the stored latency in samples and its rate in Hz; None if there is none.

    A file of anything else is moved to a `.bad` file and reported.
    """
    path = config_directory() / FILE
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    try:
        samples, rate = (int(number) for number in raw[:100].decode("ascii").split())
    except ValueError:
        with contextlib.suppress(OSError):
            kept = set_aside(path, raw)
            path.unlink()
            LOG.warning("%s: it is damaged. It was kept as %s; run verdigris plan again.", path, kept.name)
        return None
    return samples, rate
