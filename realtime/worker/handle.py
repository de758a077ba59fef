"""Worker handle: the engine's end of a worker in a process or thread, reached through pipes."""

from __future__ import annotations

import contextlib
import threading
import time
from multiprocessing import Pipe
from multiprocessing.process import BaseProcess

from realtime.worker.main_loop import run_worker
from realtime.worker.messages import CodecsReady, LoadCodecs, LoadFailed, Stop
from realtime.worker.worker_process import WorkerProcess

START_TIMEOUT_S = 600.0  # a model may have to be downloaded or compiled
STOP_TIMEOUT_S = 0.5


class EngineError(Exception):
    """Engine that cannot start or continue; the message is for the user, `offer` a command that would help."""

    def __init__(self, message: str, offer: str = "") -> None:
        super().__init__(message)
        self.offer = offer


class WorkerHandle:
    """One worker. One control thread at a time; `send` from any."""

    def __init__(self, request: LoadCodecs, *, in_thread: bool, prestarted: WorkerProcess | None = None) -> None:
        """Start a worker that loads the request; `prestarted` is a process that waits for one."""
        self.sent = self.consumed = 0  # messages since the worker attached
        self._loaded = False  # a worker that still loads reads no Stop
        self.process: BaseProcess | None = None
        self.thread: threading.Thread | None = None
        if in_thread:
            self.connection, self._worker_end = Pipe()
            self.events, worker_events = Pipe(duplex=False)
            self.thread = threading.Thread(
                target=run_worker, args=(self._worker_end, request, worker_events), name="verdigris-worker", daemon=True
            )
            self.thread.start()
        else:
            self._worker = prestarted or WorkerProcess()
            self.process = self._worker.process
            self.connection, self.events = self._worker.connection, self._worker.events
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `wait_ready` reports a dead process
                self.connection.send(request)

    def wait_ready(self) -> CodecsReady:
        """Wait until the codecs are loaded; return their requirements.

        EngineError if they cannot be loaded.
        """
        deadline = time.perf_counter() + START_TIMEOUT_S
        while not self.connection.poll(0.05):
            if not self.alive() and not self.connection.poll():
                raise EngineError("the worker ended before it was ready. Run verdigris doctor.")
            if time.perf_counter() > deadline:
                raise EngineError(f"the codecs were not ready after {START_TIMEOUT_S:.0f} s. Try a smaller one.")
        try:
            message = self.connection.recv()
        except (EOFError, ConnectionResetError):
            raise EngineError("the worker ended before it was ready. Run verdigris doctor.") from None
        if isinstance(message, LoadFailed):
            raise EngineError(message.message, message.offer)
        if not isinstance(message, CodecsReady):
            raise EngineError(f"the worker answered {type(message).__name__} while it loaded. Run verdigris doctor.")
        self._loaded = True
        return message

    def loading_done(self) -> bool:
        """Return True if `wait_ready` would return or raise at once."""
        return not self.alive() or self.connection.poll()

    def send(self, message: object) -> None:
        """Send a message to an attached worker; `Engine.supervise` finds one that is gone."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, OSError):
            self.connection.send(message)
            self.sent += 1

    def attach(self, message: object) -> None:
        """Send AttachTimeline; the messages after it are counted from 0."""
        self.send(message)
        self.sent = self.consumed = 0

    @property
    def in_flight(self) -> int:
        """Messages that the worker has not read yet."""
        return self.sent - self.consumed

    def alive(self) -> bool:
        """Return True while the worker's process or thread runs."""
        return bool(self.process.is_alive() if self.process else self.thread and self.thread.is_alive())

    def kill(self) -> None:
        """Kill a worker's process, from any thread; a thread goes on until it has loaded."""
        if self.process:
            self.process.kill()

    def release(self) -> None:
        """Detach the worker from its timeline; kill it if it does not stop.

        A worker that is still loading has no timeline: do nothing.
        """
        if not self._loaded:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, EOFError, OSError):
            self.connection.send(Stop())
            if self.connection.poll(STOP_TIMEOUT_S):
                self.connection.recv()
                return
        if self.process:  # it is computing and would overwrite the output of the next worker
            self.process.kill()
            self.process.join()

    def stop(self) -> None:
        """Ask the worker to stop, kill its process if it does not, and close the pipes."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, OSError):
            self.connection.send(Stop())
        if self.process:
            self._worker.kill_on_exit.detach()
            self.process.join(STOP_TIMEOUT_S if self._loaded else 0)
            if self.process.is_alive():
                self.process.kill()
                self.process.join()
            self.process.close()
        elif self.thread:
            self.thread.join(STOP_TIMEOUT_S)
        self.connection.close()
        self.events.close()
