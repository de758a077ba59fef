"""Base of drivers without hardware: a thread that hands blocks of a source to the playout.

After the source ends it plays L more samples of silence, so that the last sample is heard.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from realtime.drivers.driver import Driver, StreamSetup
from realtime.drivers.source_switch import CrossfadingSource, Source
from realtime.files.played_file import open_file
from realtime.system.platform.priority import raise_priority
from realtime.timeline.layout import Field
from realtime.timeline.playout import Playout

RANDOM_BLOCKS = (1, 1024)  # samples


@dataclass(frozen=True)
class OpenThreadedDriver:
    """An `OpenDriver` without hardware: it takes any rate and block."""

    make: Callable[[StreamSetup], Driver]
    rate: int | None = None
    block: int | None = None
    description: str = ""
    warning: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def attach(self, setup: StreamSetup) -> Driver:
        """Return the driver of this stream."""
        return self.make(setup)

    def stop(self) -> None:
        """Do nothing: there is no hardware to close."""


class ThreadedDriver:
    """A stream in a thread of its own, until its source ends or it is stopped."""

    def __init__(self, playout: Playout, source: Source, block: int | str, *, limit: int | None = None) -> None:
        """`block` is in samples, or "random"; `limit` ends the source after that many samples."""
        self.playout = playout
        self._source, self._block, self._limit = CrossfadingSource(source), block, limit
        self._fed: Source | None = None  # the source of the last `feed`, once it is open
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._main, name="verdigris-audio", daemon=True)
        self.error: Exception | None = None
        self.samples_in = 0

    def start(self) -> None:
        """Start the stream."""
        self._thread.start()

    def stop(self) -> None:
        """End the stream and wait until it has ended."""
        self._stopping.set()
        self._thread.join()

    def join(self, seconds: float) -> None:
        """Wait up to `seconds` for the end of the stream."""
        self._thread.join(seconds)

    @property
    def running(self) -> bool:
        """True until the stream has ended."""
        return self._thread.is_alive()

    def feed(self, path: Path | None, start: int = 0, *, loop: bool = True) -> None:
        """Play this file in place of the source; None returns to the source.

        Raises AudioFileError.
        """
        rate = self.playout.timeline[Field.RATE]
        self._fed = open_file(path, rate, start, loop=loop) if path else None
        self._source.choose(self._fed)

    def source_start(self) -> int | None:
        """Return the input sample with which the file of the last `feed` began, once; None mostly."""
        return self._source.take_start(self._fed)

    def source_failure(self) -> Exception | None:
        """Return the error of a source that was left for the input, once; None mostly."""
        return self._source.take_failure()

    def watch(self) -> str | None:
        """Return None: nothing can happen to this driver."""
        return None

    def _pace(self, count: int) -> None:
        """Wait until the next block, of `count` samples, is due."""
        raise NotImplementedError

    def _main(self) -> None:
        raise_priority()
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 - the session raises it again
            self.error = error

    def _run(self) -> None:
        channels = self.playout.timeline[Field.CHANNELS]
        tail = self.playout.timeline[Field.LATENCY]
        ended = False
        for size in self._sizes():
            inp = np.zeros((size, channels), np.float32)
            new = 0
            if not ended:
                wanted = size if self._limit is None else min(size, self._limit - self.samples_in)
                got = self._source.read(wanted)
                new = got.shape[1]
                inp[:new] = got.T
                ended = new < size
            self._pace(size)
            if self._stopping.is_set():
                return
            self.playout.process(inp, np.empty_like(inp))
            self.samples_in += new
            if ended and self.playout.position >= self.samples_in + tail:
                return

    def _sizes(self) -> Iterator[int]:
        rng = np.random.default_rng(0)
        while True:
            yield int(rng.integers(*RANDOM_BLOCKS, endpoint=True)) if self._block == "random" else int(self._block)
