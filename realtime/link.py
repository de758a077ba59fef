"""The engine's end of a worker: started in a process of its own or in a thread, spoken to through a pipe."""

from __future__ import annotations

import contextlib
import threading
import time
from multiprocessing import Pipe
from multiprocessing.process import BaseProcess

from realtime.service import Failed, Ready, Request, Stop, serve
from realtime.worker_process import WorkerProcess

START_TIMEOUT_S = 600.0  # a model may have to be fetched or compiled
STOP_TIMEOUT_S = 0.5


class EngineError(Exception):
    """An engine that cannot start or go on."""


class Link:
    """One worker. One control thread at a time; `send` any."""

    def __init__(self, request: Request, *, in_thread: bool, started: WorkerProcess | None = None) -> None:
        """`started` is a process that waits for its request already."""
        self.sent = self.taken = 0  # messages to a worker that plays
        self._listening = False  # a worker that still loads hears no Stop
        self.process: BaseProcess | None = None
        self.thread: threading.Thread | None = None
        if in_thread:
            self.connection, self._theirs = Pipe()
            self.news, their_news = Pipe(duplex=False)
            self.thread = threading.Thread(
                target=serve, args=(self._theirs, request, their_news), name="verdigris-worker", daemon=True
            )
            self.thread.start()
        else:
            self._worker = started or WorkerProcess()
            self.process, self.connection, self.news = (
                self._worker.process,
                self._worker.connection,
                self._worker.news,
            )
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `wait_ready` says that it is gone
                self.connection.send(request)

    def wait_ready(self) -> Ready:
        """What the codecs need; EngineError with the reason if they cannot be had."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.connection.poll(0.05):
            if not self.alive() and not self.connection.poll():
                raise EngineError("the worker ended before it was ready. Run verdigris doctor.")
            if time.monotonic() > deadline:
                raise EngineError(f"the codecs were not ready after {START_TIMEOUT_S:.0f} s. Try a smaller one.")
        try:
            message = self.connection.recv()
        except EOFError:
            raise EngineError("the worker ended before it was ready. Run verdigris doctor.") from None
        if isinstance(message, Failed):
            raise EngineError(message.message)
        assert isinstance(message, Ready)
        self._listening = True
        return message

    def alive(self) -> bool:
        return bool(self.process.is_alive() if self.process else self.thread and self.thread.is_alive())

    def release(self) -> None:
        """Have it let go of the timeline, if need be by force. Nothing while it loads: it holds none."""
        if not self._listening:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, EOFError, OSError):
            self.connection.send(Stop())
            if self.connection.poll(STOP_TIMEOUT_S):
                self.connection.recv()
                return
        if self.process:  # it computes, and would write over what the next one writes
            self.process.kill()
            self.process.join()

    def stop(self) -> None:
        """Ask it to stop, and end it if it does not."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, OSError):
            self.connection.send(Stop())
        if self.process:
            self._worker.forgotten.detach()
            self.process.join(STOP_TIMEOUT_S if self._listening else 0)
            if self.process.is_alive():
                self.process.kill()
                self.process.join()
            self.process.close()
        elif self.thread:
            self.thread.join(STOP_TIMEOUT_S)
        self.connection.close()
        self.news.close()
