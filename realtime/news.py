"""What a worker reports while it plays, and how: posted without waiting, sent by a thread of its own.

A pipe that nobody reads fills up; the worker must not wait for that. What does not fit is dropped and counted.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import numpy.typing as npt

PRE = -2  # in place of a slot: the effects before all codecs
ROOM = 1024  # events that may wait


@dataclass(frozen=True)
class Change:
    """A value on its way to a slot. `at` is the input sample from whose frame on it holds; None: the next frame."""

    slot: int
    name: str  # without the slot: steps, bend.mask.probability
    value: object
    at: int | None = None
    ticket: int = 0  # of who wants to know when it is heard; 0: nobody


@dataclass(frozen=True)
class Taken:
    """The worker has read so many messages since it was attached."""

    total: int


@dataclass(frozen=True)
class Applied:
    """A change holds from this frame of its slot on, and is heard when the host takes input sample `audible`.

    A slot's name is its letter before the change's; `slot` is -1 for what belongs to none.
    """

    ticket: int
    name: str
    slot: int
    frame: int
    audible: int


@dataclass(frozen=True)
class Began:
    """The codec of a slot took up a stream that was running: this frame of its own is the first that is heard."""

    slot: int
    frame: int
    audible: int


@dataclass(frozen=True)
class Encoded:
    """A frame that a slot plays, after its bends. Arrays only where they were asked for."""

    slot: int
    frame: int
    audible: int
    seconds: float  # that it stands for
    bits: float
    tokens: npt.NDArray[np.int32] | None = None
    latent: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Trouble:
    """Something in a slot went wrong and was passed over; said once. `failed`: the effect there that is bypassed."""

    slot: int
    message: str
    failed: int = 0  # its number, from 1; 0: none


@dataclass(frozen=True)
class Loaded:
    """A codec was asked for: it plays now, or `reason` says why not."""

    slot: int
    codec: str
    ticket: int
    reason: str = ""


class Postman:
    """The worker's end. `post` from one thread; it never waits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: queue.Queue[object] = queue.Queue(ROOM)
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="verdigris-news", daemon=True)
        self._thread.start()

    def post(self, event: object) -> None:
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Send what still waits, within reason, and hang up."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
            self._thread.join(0.2)

    def _run(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, OSError):
            while (event := self._waiting.get()) is not None:
                self._connection.send(event)
        with contextlib.suppress(OSError):
            self._connection.close()
