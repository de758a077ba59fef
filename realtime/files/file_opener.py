"""Opening of a file from a sample in its middle on, in a thread of its own: no audio thread waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from realtime.files.audio_file import AudioReader
from realtime.files.played_file import SilenceAfter, open_file


@dataclass(frozen=True)
class _Wanted:
    path: Path
    rate: int
    start: int
    loop: bool


class FileOpener:
    """Opens the file that was asked for last. Any thread may ask."""

    def __init__(self, deliver: Callable[[AudioReader | SilenceAfter | Exception], object]) -> None:
        """`deliver` gets the file, ready to be read, or the reason why it cannot be, in the opener's thread."""
        self._deliver = deliver
        self._lock = threading.Lock()
        self._wanted: _Wanted | None = None
        self._working = False

    def open(self, path: Path, rate: int, start: int, *, loop: bool) -> None:
        """Open a file after the one that is being opened now, if any, which is then closed unheard."""
        with self._lock:
            self._wanted = _Wanted(path, rate, start, loop)
            if not self._working:
                self._working = True
                threading.Thread(target=self._run, name="verdigris-open", daemon=True).start()

    def cancel(self) -> None:
        """Deliver nothing that was asked for so far."""
        with self._lock:
            self._wanted = None

    def _run(self) -> None:
        while True:
            with self._lock:
                wanted = self._wanted
                if wanted is None:
                    self._working = False
                    return
            opened: AudioReader | SilenceAfter | Exception
            try:
                opened = open_file(wanted.path, wanted.rate, wanted.start, loop=wanted.loop)
            except Exception as error:  # noqa: BLE001 - the caller reports it
                opened = error
            with self._lock:
                if self._wanted is wanted:
                    self._wanted = None
                    self._deliver(opened)
                elif not isinstance(opened, Exception):
                    opened.close()
