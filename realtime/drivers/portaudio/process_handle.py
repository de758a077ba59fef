"""The driver's end of a device process: start, messages through a pipe, and an end in every state."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from realtime.drivers.portaudio.api import DeviceError
from realtime.drivers.portaudio.device_process import DeviceRefused, StopDevice, run_device, run_device_process
from realtime.drivers.portaudio.probe import DeviceInfo, DeviceRequest
from realtime.system.platform.child_process import prepared_context
from realtime.system.signals import signals_blocked_for_child

OPEN_S = 30.0
STOP_S = 2.0
PRELOAD = "realtime.drivers.portaudio.warm_start"  # imports and compiles before a device is needed


class DeviceProcess:
    """A device process and this end of the pipe to it."""

    def __init__(self, request: DeviceRequest, known: DeviceInfo | None, *, in_thread: bool) -> None:
        """Start the process, or a thread if `in_thread` is set or no process starts.

        With `known`, it waits for a lost device.
        """
        context = prepared_context(PRELOAD)
        ends: tuple[Any, Any] = context.Pipe()  # another class on each system
        self.connection: Connection = ends[0]
        theirs: Connection = ends[1]
        self.process: BaseProcess | None = None
        self.thread: threading.Thread | None = None
        if not in_thread:
            try:
                self._start(context.Process, theirs, request, known)
                return
            except OSError:  # the system starts no more processes; a thread is better than nothing, and is announced
                self.process = None
        self._theirs = theirs
        self.thread = threading.Thread(target=run_device, args=(theirs, request, known), daemon=True)
        self.thread.start()

    def _start(
        self, make: Callable[..., BaseProcess], theirs: Connection, request: DeviceRequest, known: DeviceInfo | None
    ) -> None:
        arguments = (theirs, request, known, dict(os.environ))
        self.process = make(target=run_device_process, args=arguments, name="verdigris-card", daemon=True)
        with signals_blocked_for_child():
            self.process.start()
        # it ignores SIGTERM, which Python sends to daemon processes at exit
        self._kill_on_exit = weakref.finalize(self, self.process.kill)
        theirs.close()  # so that the pipe closes when the process dies

    def wait_info(self) -> DeviceInfo:
        """Return the result of the probe.

        Raises DeviceError if the device is refused or the process ends.
        """
        deadline = time.perf_counter() + OPEN_S
        while not self.connection.poll(0.05):
            if time.perf_counter() > deadline or not self.alive():
                raise DeviceError("the sound card's process ended or hangs. Run verdigris doctor.")
        message = self.receive()
        if isinstance(message, DeviceRefused):
            raise DeviceError(message.message)
        if not isinstance(message, DeviceInfo):
            raise DeviceError("the sound card's process ended before it was ready. Run verdigris doctor.")
        return message

    def receive(self) -> object:
        """Return the next message; None if the process is gone."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            return None

    def send(self, message: object) -> None:
        """Send a message; a process that is gone is ignored here and noticed by `alive`."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, OSError):
            self.connection.send(message)

    def alive(self) -> bool:
        """Return True while the process, or the thread in its place, runs."""
        return bool(self.process.is_alive() if self.process else self.thread and self.thread.is_alive())

    def end(self) -> None:
        """Send StopDevice, wait up to STOP_S, and kill the process if it still runs."""
        self.send(StopDevice())
        if self.thread:
            self.thread.join(STOP_S)
        elif self.process:
            self.process.join(STOP_S)
        self.kill()

    def kill(self) -> None:
        """Kill the process; one that hangs in a sound system answers no message."""
        if self.process:
            self._kill_on_exit.detach()
            self.process.kill()
            self.process.join()
            self.process.close()
            self.process = None
        self.connection.close()
