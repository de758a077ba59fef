"""The engine's end of a worker: started in a process of its own or in a thread, spoken to through a pipe."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
import weakref
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from realtime.service import Failed, Ready, Request, Stop, serve, serve_process
from realtime.signals import held_for_child

START_TIMEOUT_S = 600.0  # a model may have to be fetched or compiled
STOP_TIMEOUT_S = 0.5


class EngineError(Exception):
    """An engine that cannot start or go on."""


class Link:
    """One worker. One control thread at a time; `send` any."""

    def __init__(self, request: Request, *, in_thread: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self.news, their_news = context.Pipe(duplex=False)  # what the worker reports while it plays (news.py)
        self.sent = self.taken = 0  # messages to a worker that plays
        self._listening = False  # a worker that still loads hears no Stop
        self.process: BaseProcess | None = None
        self.thread: threading.Thread | None = None
        if in_thread:
            self._theirs = theirs
            self.thread = threading.Thread(
                target=serve, args=(theirs, request, their_news), name="verdigris-worker", daemon=True
            )
            self.thread.start()
        else:
            self.process = context.Process(
                target=serve_process, args=(theirs, request, their_news), name="verdigris-worker", daemon=True
            )
            with held_for_child():
                self.process.start()
                # if nobody stops it: Python would send SIGTERM, which is held from it, and wait
                self._forgotten = weakref.finalize(self, self.process.kill)
            theirs.close()  # so that the pipe closes when the process dies
            their_news.close()

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
            self._forgotten.detach()
            self.process.join(STOP_TIMEOUT_S if self._listening else 0)
            if self.process.is_alive():
                self.process.kill()
                self.process.join()
            self.process.close()
        elif self.thread:
            self.thread.join(STOP_TIMEOUT_S)
        self.connection.close()
        self.news.close()
