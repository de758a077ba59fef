"""The driver protocol: opening, a stream through a timeline, and its end.

A driver is used in two steps. `open_driver(options)` of its module opens the hardware, if any,
before the codecs load, because the hardware may decide sample rate and block size.
`OpenDriver.attach(setup)` then receives the timeline and returns the `Driver` that plays it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from realtime.drivers.source_switch import Source
from realtime.timeline.playout import Playout


class DriverError(Exception):
    """Driver that cannot be opened or started; the message is one line with a remedy."""


@dataclass(frozen=True)
class DriverOptions:
    """The user's choices, as far as they concern a driver; None leaves the choice to the driver."""

    preferred_rate: int = 48_000  # Hz; used without `rate` if the hardware supports it
    rate: int | None = None  # Hz
    block: int | None = None  # samples
    input_device: str | None = None
    output_device: str | None = None
    input_channels: tuple[int, ...] | None = None  # one or two, counted from 1
    output_channels: tuple[int, ...] | None = None
    input_file: Path | None = None  # played instead of the hardware's input


@dataclass(frozen=True)
class StreamSetup:
    """One stream for a driver to play."""

    playout: Playout
    source: Source | None  # None: the hardware's input
    block: int | str  # samples, or "random"
    limit: int | None  # input samples after which the stream ends
    after_block: Callable[[int], object]  # gets the number of input samples; offline drivers call it in their thread


class Driver(Protocol):
    """A stream from start to end.

    One control thread calls these; the audio thread belongs to the driver.
    """

    error: Exception | None  # that ended the stream

    @property
    def running(self) -> bool:
        """True until the stream has ended."""

    @property
    def samples_in(self) -> int:
        """Input samples so far, without the silence after the end of the source."""

    def start(self) -> None:
        """Start the stream. Raises DriverError."""

    def stop(self) -> None:
        """End the stream and wait until it has ended."""

    def join(self, seconds: float) -> None:
        """Wait up to `seconds` for the end of the stream."""

    def feed(self, path: Path | None, start: int = 0, *, loop: bool = True) -> None:
        """Play this file in place of the input, cross-faded; None returns to the input.

        `start` is its first sample at the stream's rate. Without `loop`, silence follows its end.
        The current source plays on until the file is open, which may take seconds. `source_start`
        then returns the sample with which it begins. Raises AudioFileError, or reports it by
        `source_failure`.
        """

    def source_start(self) -> int | None:
        """Return the input sample with which the file of the last `feed` began, once; None mostly."""

    def source_failure(self) -> Exception | None:
        """Return the error of a source that was left for the input, once; None mostly."""

    def watch(self) -> str | None:
        """Return the next message for the user; None if there is none."""


class OpenDriver(Protocol):
    """A driver whose hardware, if any, is open."""

    @property
    def rate(self) -> int | None:
        """Sample rate in Hz that the hardware dictates; None if any rate will do."""

    @property
    def block(self) -> int | None:
        """Largest block in samples that the hardware hands over; None if any size will do."""

    @property
    def description(self) -> str:
        """One line for the console; may be empty."""

    @property
    def warning(self) -> str:
        """One line for users who did not choose this hardware; may be empty."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """Parameters that name the hardware, such as device.output."""

    @property
    def facts(self) -> dict[str, Any]:
        """Entry `device` of the report; may be empty."""

    def attach(self, setup: StreamSetup) -> Driver:
        """Return the driver of this stream, not started yet."""

    def stop(self) -> None:
        """Close the hardware."""
