"""A second sound card with its own clock, without hardware: ALSA's `file` device, fed through a
pipe.

ALSA reads the pipe's bytes as the card's input and waits while it is empty, so the pace of writing
is the card's clock.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

CHUNK = 104  # samples that ALSA reads from this device at once; it does not complete a short read
PIPE_BYTES = 16_384
CONFIGURATION = """</usr/share/alsa/alsa.conf>
pcm.fifo {{
  type file
  slave.pcm {{ type null }}
  file "/dev/null"
  infile "{pipe}"
  format raw
  hint {{ show on description "fed through a pipe" }}
}}
"""


class FifoCard:
    """An input of two channels, ALSA:fifo, whose clock runs `ppm` fast. ALSA_CONFIG_PATH must be
    set to `conf`.
    """

    def __init__(self, directory: Path, signal: Callable[[np.ndarray], np.ndarray], rate: int, ppm: float) -> None:
        """`signal` returns samples by their numbers; the right channel is its inverse."""
        fcntl = pytest.importorskip("fcntl")
        if not Path("/usr/share/alsa/alsa.conf").exists():
            pytest.skip("no ALSA here: apt-get install libasound2-data")
        pipe, self.conf = directory / "pipe", directory / "asound.conf"
        os.mkfifo(pipe)
        self.conf.write_text(CONFIGURATION.format(pipe=pipe))
        self._descriptor = os.open(pipe, os.O_RDWR)
        os.set_blocking(self._descriptor, False)
        fcntl.fcntl(self._descriptor, getattr(fcntl, "F_SETPIPE_SZ", 1031), PIPE_BYTES)
        self._signal, self._rate = signal, rate * (1 + 1e-6 * ppm)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    def _play(self) -> None:
        began, at = time.monotonic(), 0
        while not self._over.wait(max(0.0, began + at / self._rate - time.monotonic())):
            x = self._signal(np.arange(at, at + CHUNK))
            with contextlib.suppress(BlockingIOError):  # ALSA is not reading
                os.write(self._descriptor, np.stack([x, -x], axis=1).astype(np.float32).tobytes())
            at += CHUNK

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        os.close(self._descriptor)
