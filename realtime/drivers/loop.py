"""What clock and file driver share: a thread that hands blocks of a source to the host side.

After the source ends it plays silence for L samples more, so that the last sample is heard.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from realtime.audiofile import Reader
from realtime.callback import HostSide
from realtime.drivers.switch import Source, Switch
from realtime.priority import raise_priority
from realtime.timeline import Field

RANDOM_BLOCKS = (1, 1024)  # samples


class LoopDriver:
    """Runs a stream to its end, or until stopped."""

    def __init__(self, host: HostSide, source: Source, block: int | str, *, limit: int | None = None) -> None:
        """`block` is in samples, or "random"; `limit` ends the source after so many samples."""
        self.host = host
        self._source, self._block, self._limit = Switch(source), block, limit
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._main, name="verdigris-audio", daemon=True)
        self.error: Exception | None = None
        self.taken = 0  # input samples so far, without the silence after them

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the stream now; returns when it has ended."""
        self._stopping.set()
        self._thread.join()

    def join(self, seconds: float) -> None:
        """Wait for the stream to end, so long at most."""
        self._thread.join(seconds)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def feed(self, path: Path | None) -> None:
        """Play this file over and over in place of the source; None: the source again. AudioFileError if it is none."""
        self._source.choose(Reader(path, self.host.timeline[Field.RATE], loop=True) if path else None)

    def watch(self) -> str | None:
        """What happened to the driver that a player should know; nothing ever does here."""
        return None

    def _pace(self, count: int) -> None:
        """Return when the block before has been played and the next one, of `count` samples, is due."""
        raise NotImplementedError

    def _main(self) -> None:
        raise_priority()
        try:
            self._run()
        except Exception as error:  # noqa: BLE001 - told to whoever started the stream
            self.error = error

    def _run(self) -> None:
        channels = self.host.timeline[Field.CHANNELS]
        tail = self.host.timeline[Field.LATENCY]
        ended = False
        for size in self._sizes():
            inp = np.zeros((size, channels), np.float32)
            new = 0
            if not ended:
                wanted = size if self._limit is None else min(size, self._limit - self.taken)
                got = self._source.read(wanted)
                new = got.shape[1]
                inp[:new] = got.T
                ended = new < size
            self._pace(size)
            if self._stopping.is_set():
                return
            self.host.process(inp, np.empty_like(inp))
            self.taken += new
            if ended and self.host.position >= self.taken + tail:
                return

    def _sizes(self) -> Iterator[int]:
        rng = np.random.default_rng(0)
        while True:
            yield int(rng.integers(*RANDOM_BLOCKS, endpoint=True)) if self._block == "random" else int(self._block)
