"""What a live session plays: opened, and ready to be opened anew with something changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime.audiofile import Reader
from realtime.drivers.clock import ClockDriver
from realtime.drivers.device import DeviceDriver
from realtime.drivers.file import FileDriver
from realtime.drivers.loop import LoopDriver
from realtime.drivers.switch import Source
from realtime.engine import Engine, Settings
from realtime.rack.patch_source import PatchSource
from realtime.worker_process import WorkerProcess

Driver = LoopDriver | DeviceDriver
# a session opened anew with these parameters, of those that wait for load or restart, changed; any error of opening
Reopen = Callable[[Mapping[str, Any]], "Session"]


@dataclass(frozen=True)
class Session:
    """`schedule` sets parameters at seconds of the stream."""

    settings: Settings
    driver: str  # device, clock or file
    block: int | str
    source: Source | None  # None: what comes into the card
    seconds: float | None = None
    record: Path | None = None
    report: Path | None = None
    values: dict[str, Any] = field(default_factory=dict)
    schedule: Sequence[tuple[float, str, Any]] = ()
    card: DeviceDriver | None = None  # opened, for device; whoever plays it stops it
    osc: int | None = None  # port
    reopen: Reopen | None = None
    started: WorkerProcess | None = None  # for its first worker

    @property
    def codecs(self) -> tuple[str, ...]:
        """CODEC[:PATH] of the slots in use, as asked for."""
        slots = [slot for slot in (self.settings.a, self.settings.b) if slot]
        return tuple(":".join(filter(None, slot)) for slot in slots)

    @property
    def length(self) -> float | None:
        """Seconds that it plays, if that is known."""
        if not isinstance(self.source, Reader) or self.source.length is None:
            return self.seconds
        of_file = self.source.length / self.settings.rate
        return of_file if self.seconds is None else min(self.seconds, of_file)

    def open_driver(self, engine: Engine, after_block: Callable[[int], object]) -> Driver:
        """For a stream; `after_block` is called where nobody else can follow: by the file driver, in its thread."""
        limit = None if self.seconds is None else round(self.seconds * self.settings.rate)
        if self.card:
            if isinstance(self.source, Reader) and self.source.length is not None:
                limit = min(self.source.length, self.source.length if limit is None else limit)
            self.card.attach(engine.timeline, limit)
            return self.card
        assert self.source is not None
        if self.driver == "file":
            return FileDriver(engine.host, self.source, self.block, limit=limit, after_block=after_block)
        return ClockDriver(engine.host, self.source, self.block, limit=limit)

    def close(self) -> None:
        """Let go of what was opened for it."""
        if self.card:
            self.card.stop()
        if isinstance(self.source, Reader | PatchSource):
            self.source.close()

    def facts(self) -> dict[str, Any]:
        """What plays it, by name, as OSC can tell it."""
        facts: dict[str, Any] = {"driver": self.driver, "sample_rate": self.settings.rate, "block": self.block}
        if isinstance(self.source, Reader | PatchSource):
            facts["input"] = str(self.source.path)
        for name, value in (self.card.facts if self.card else {}).items():
            nested = value if isinstance(value, dict) else {}
            facts |= {f"{name}.{kind}": count for kind, count in nested.items()} or {name: value}
        return {name: value for name, value in facts.items() if isinstance(value, int | float | str)}
