"""Event sender: events are queued without waiting and sent by a thread of their own.

A pipe that is not read fills up, and the worker must not wait for that. Events that do not fit in
the queue are dropped and counted.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from multiprocessing.connection import Connection

QUEUE_CAPACITY = 1024  # events


class EventSender:
    """Worker's end of the event pipe. `send_nowait` from any thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._queue: queue.Queue[object] = queue.Queue(QUEUE_CAPACITY)
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="verdigris-events", daemon=True)
        self._thread.start()

    def send_nowait(self, event: object) -> None:
        """Queue an event; drop it if the queue is full."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Send the queued events, for at most 0.2 s, and close the pipe."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
            self._thread.join(0.2)

    def _run(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, OSError):
            while (event := self._queue.get()) is not None:
                self._connection.send(event)
        with contextlib.suppress(OSError):
            self._connection.close()
