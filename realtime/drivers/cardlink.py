"""The driver's end of a card's process: started, spoken to through a pipe, ended whatever state it is in."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from realtime.drivers.card import Refused, Stop, serve, serve_process
from realtime.drivers.opening import Found, Request
from realtime.drivers.portaudio import CardError
from realtime.signals import held_for_child

OPEN_S = 30.0
STOP_S = 2.0


class CardLink:
    """A card's process and our end of the pipe to it."""

    def __init__(self, request: Request, wanted: Found | None, *, in_thread: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess | None = None
        self.thread: threading.Thread | None = None
        if not in_thread:
            try:
                self._start(context.Process, theirs, request, wanted)
                return
            except OSError:  # no room for another process; better here than not at all, and it is announced
                self.process = None
        self._theirs = theirs
        self.thread = threading.Thread(target=serve, args=(theirs, request, wanted), daemon=True)
        self.thread.start()

    def _start(
        self, make: Callable[..., BaseProcess], theirs: Connection, request: Request, wanted: Found | None
    ) -> None:
        self.process = make(target=serve_process, args=(theirs, request, wanted), name="verdigris-card", daemon=True)
        with held_for_child():
            self.process.start()
        self._forgotten = weakref.finalize(self, self.process.kill)  # it ignores SIGTERM, which Python ends with
        theirs.close()  # so that the pipe closes when the process dies

    def wait_found(self) -> Found:
        """What the card is; CardError if it is refused."""
        deadline = time.monotonic() + OPEN_S
        while not self.connection.poll(0.05):
            if time.monotonic() > deadline or not self.alive():
                raise CardError("the sound card's process ended or stands. Run verdigris doctor.")
        message = self.receive()
        if isinstance(message, Refused):
            raise CardError(message.message)
        if not isinstance(message, Found):
            raise CardError("the sound card's process ended before it was ready. Run verdigris doctor.")
        return message

    def receive(self) -> object:
        """The next message; None if the process is gone."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            return None

    def send(self, message: object) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, OSError):  # the watch sees that it is gone
            self.connection.send(message)

    def alive(self) -> bool:
        return bool(self.process.is_alive() if self.process else self.thread and self.thread.is_alive())

    def end(self) -> None:
        """Ask it to stop, and end it if it does not."""
        self.send(Stop())
        if self.thread:
            self.thread.join(STOP_S)
        elif self.process:
            self.process.join(STOP_S)
        self.kill()

    def kill(self) -> None:
        """End it now; a process that hangs in a sound system cannot be asked."""
        if self.process:
            self._forgotten.detach()
            self.process.kill()
            self.process.join()
            self.process.close()
            self.process = None
        self.connection.close()
