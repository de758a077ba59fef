"""Inserts as the engine finds them: timelines in the runtime directory that plug-ins in hosts own and play.

A host makes the file when it activates the insert, with its own rate and a latency that does not change until it does
so again. Only fields of the engine's are written here.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from realtime.mix import MIX
from realtime.plugin import ports
from realtime.timeline import SLOTS, Field, Timeline, remove_abandoned, runtime_directory

PREFIX = "insert-"
USUAL_BLOCK = 256  # until the host has handed one over


def find() -> list[Path]:
    """Those that there are; files that nobody owns are removed. TimelineError if there can be none."""
    directory = runtime_directory()
    remove_abandoned(directory)
    return sorted(directory.glob(f"{PREFIX}*.timeline"))


class Insert:
    """One insert that a host has active. One thread. TimelineError if it is of another version."""

    def __init__(self, path: Path) -> None:
        self.timeline = Timeline.attach(path)
        self.identity = path.stem.removeprefix(PREFIX)  # the host keeps it with its project
        self.rate, self.latency = self.timeline[Field.RATE], self.timeline[Field.LATENCY]
        self._values: list[int] = []

    def __str__(self) -> str:
        return f"insert {self.identity[:8]}"

    @property
    def gone(self) -> bool:
        """Whether its host has let go of it."""
        return self.timeline.orphaned

    @property
    def block(self) -> int:
        """The largest that the host has handed over, or says it will."""
        return self.timeline[Field.BLOCK] or USUAL_BLOCK

    @property
    def offline(self) -> bool:
        """Whether the host renders, and waits for the engine."""
        return bool(self.timeline[Field.OFFLINE])

    def claim(self) -> None:
        """Say that codecs load or play: a host that renders waits for them."""
        self.timeline.store(Field.CLAIM, time.monotonic_ns())

    def refuse(self, needed: int) -> None:
        """Say what latency it would take; the host takes that when it activates the insert again."""
        self.timeline.store(Field.NEEDED, needed)

    def changes(self) -> dict[str, object]:
        """Parameters that the host has changed since the last time, with their slots."""
        bits = [int(b) for b in self.timeline.header[Field.PARAM : Field.PARAM + len(ports.NAMES)]]
        before, self._values = self._values or [-1] * len(bits), bits
        changed: dict[str, object] = {}
        for port, (old, new) in enumerate(zip(before, bits, strict=True)):
            if old != new:
                name, number = ports.NAMES[port], float(np.array(new, np.uint32).view(np.float32))
                names = [name] if port < len(MIX) else [f"{slot}.{name}" for slot in SLOTS]
                changed |= dict.fromkeys(names, ports.value(port, number))
        return changed

    def close(self) -> None:
        self.timeline.close()
