"""Timelines of inserts: files in the runtime directory that plug-ins in hosts own and play.

A host creates the file when it activates the insert, with its own rate and a latency that stays
fixed until the next activation. This module writes only the engine's fields.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from realtime.parameters import plugin_ports as ports
from realtime.system.platform.locks import try_lock
from realtime.timeline.layout import SLOTS, Field, Timeline, TimelineError, remove_stale, runtime_directory
from realtime.timeline.monitor_mix import PLUGIN_MIX_PARAMETERS

PREFIX = "insert-"
DEFAULT_BLOCK = 256  # samples, until the host has handed over a block


def find_inserts() -> list[Path]:
    """Return the timeline files of all inserts, after removing those without an owner.

    Raises TimelineError if there is no runtime directory.
    """
    directory = runtime_directory()
    remove_stale(directory)
    return sorted(directory.glob(f"{PREFIX}*.timeline"))


@contextlib.contextmanager
def single_server_lock() -> Iterator[None]:
    """Hold the lock of the one process that serves inserts.

    Raises TimelineError if another process holds it.
    """
    path = runtime_directory() / "inserts.lock"
    with path.open("a+", encoding="ascii") as file:
        if not try_lock(file.fileno()):
            file.seek(0)
            raise TimelineError(
                f"the inserts are served by process {file.read().strip() or '?'} already. End that one first."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


class Insert:
    """One active insert of a host, seen from the engine. One thread.

    The constructor raises TimelineError if the plug-in is of another version.
    """

    def __init__(self, path: Path) -> None:
        self.timeline = Timeline.attach(path)
        self.identity = path.stem.removeprefix(PREFIX)  # the host keeps it with its project
        self.rate, self.latency = self.timeline[Field.RATE], self.timeline[Field.LATENCY]
        self._values: list[int] = []

    def __str__(self) -> str:
        return f"insert {self.identity[:8]}"

    @property
    def owner_gone(self) -> bool:
        """True once the host has released the insert."""
        return self.timeline.owner_gone

    @property
    def block(self) -> int:
        """The largest block in samples that the host has handed over or has announced."""
        return self.timeline[Field.BLOCK] or DEFAULT_BLOCK

    @property
    def offline(self) -> bool:
        """True while the host renders faster than real time and waits for the engine."""
        return bool(self.timeline[Field.OFFLINE])

    def heartbeat(self) -> None:
        """Report that codecs load or play.

        A rendering host waits for them only while this is recent.
        """
        self.timeline.store(Field.SERVER_HEARTBEAT_NS, time.perf_counter_ns())

    def report_required_latency(self, samples: int) -> None:
        """Report the latency that the codecs need, 0 for none; the next activation adopts it."""
        self.timeline.store(Field.REQUIRED_LATENCY, samples)

    def parameter_changes(self) -> dict[str, object]:
        """Return the parameters, slots included, that the host has changed since the last call."""
        bits = [int(b) for b in self.timeline.header[Field.PARAM : Field.PARAM + len(ports.NAMES)]]
        before, self._values = self._values or [-1] * len(bits), bits
        changed: dict[str, object] = {}
        for port, (old, new) in enumerate(zip(before, bits, strict=True)):
            if old != new:
                name, number = ports.NAMES[port], float(np.array(new, np.uint32).view(np.float32))
                names = [name] if port < len(PLUGIN_MIX_PARAMETERS) else [f"{slot}.{name}" for slot in SLOTS]
                changed |= dict.fromkeys(names, ports.value(port, number))
        return changed

    def close(self) -> None:
        """Release the mapped file."""
        self.timeline.close()
