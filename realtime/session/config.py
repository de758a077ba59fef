"""Configuration of a live session: its codecs, its opened driver and source, and how to open it
again changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime.drivers.driver import Driver, DriverOptions, OpenDriver, StreamSetup
from realtime.drivers.registry import open_driver
from realtime.drivers.source_switch import Source
from realtime.effects.pyo_source import PatchSource
from realtime.engine.engine import Engine
from realtime.engine.engine_settings import Settings
from realtime.files.audio_file import AudioReader
from realtime.worker.worker_process import WorkerProcess

# Opens the session again with these load or restart parameters changed; raises any of supervisor.START_ERRORS.
ReopenFn = Callable[[Mapping[str, Any]], "SessionConfig"]


@dataclass(frozen=True)
class SessionConfig:
    """One session. `schedule` holds (seconds of the stream, parameter, value), set when the stream
    gets there.
    """

    settings: Settings
    driver: str  # one of DRIVERS
    block: int | str
    source: Source | None  # None: the sound card's input
    seconds: float | None = None
    record: Path | None = None
    report: Path | None = None
    values: dict[str, Any] = field(default_factory=dict)
    schedule: Sequence[tuple[float, str, Any]] = ()
    device: OpenDriver | None = None  # the opened driver; the player of the session stops it
    osc: int | None = None  # port
    reopen: ReopenFn | None = None
    prestarted_worker: WorkerProcess | None = None  # process of the first worker

    @property
    def codecs(self) -> tuple[str, ...]:
        """CODEC[:PATH] of the slots in use, as the user named them."""
        slots = [slot for slot in (self.settings.slot_a, self.settings.slot_b) if slot]
        return tuple(":".join(filter(None, slot)) for slot in slots)

    @property
    def length(self) -> float | None:
        """Length in seconds; None if the session has no known end."""
        if not isinstance(self.source, AudioReader) or self.source.length is None:
            return self.seconds
        of_file = self.source.length / self.settings.rate
        return of_file if self.seconds is None else min(self.seconds, of_file)

    def open_driver(self, engine: Engine, after_block: Callable[[int], object]) -> Driver:
        """Return the driver of one stream, not started.

        The file driver calls `after_block` in its own thread after each block, with the input
        samples so far; it runs faster than real time, so no other thread could keep up.
        """
        limit = None if self.seconds is None else round(self.seconds * self.settings.rate)
        opened = self.device or open_driver(self.driver, DriverOptions())
        return opened.attach(StreamSetup(engine.host, self.source, self.block, limit, after_block))

    def close(self) -> None:
        """Close the driver and the source."""
        if self.device:
            self.device.stop()
        if isinstance(self.source, AudioReader | PatchSource):
            self.source.close()

    def facts(self) -> dict[str, Any]:
        """Return facts of the driver by name, as numbers and text that OSC can send."""
        facts: dict[str, Any] = {"driver": self.driver, "sample_rate": self.settings.rate, "block": self.block}
        if isinstance(self.source, AudioReader | PatchSource):
            facts["input"] = str(self.source.path)
        for name, value in (self.device.facts if self.device else {}).items():
            nested = value if isinstance(value, dict) else {}
            facts |= {f"{name}.{kind}": count for kind, count in nested.items()} or {name: value}
        return {name: value for name, value in facts.items() if isinstance(value, int | float | str)}
