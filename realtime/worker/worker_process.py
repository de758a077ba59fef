"""Worker process and its pipes, started before it is known what it will play.

This module imports nothing slow, so that the new process can import its modules while the engine's
process still does so and parses its arguments. That saves half of the seconds until the first
sound.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import weakref
from multiprocessing.connection import Connection

from realtime.system.signals import signals_blocked_for_child


class WorkerProcess:
    """Process that waits for LoadCodecs in `connection` and ends when that pipe closes."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, worker_end = context.Pipe()
        self.events, worker_events = context.Pipe(duplex=False)  # events of the running worker (event_sender.py)
        self.process = context.Process(
            target=_main, args=(worker_end, worker_events), name="verdigris-worker", daemon=True
        )
        with signals_blocked_for_child():
            self.process.start()
            # if it is never stopped: Python would send SIGTERM, which the process ignores, and wait
            self.kill_on_exit = weakref.finalize(self, self.process.kill)
        worker_end.close()  # so that the pipe closes when the process dies
        worker_events.close()

    def kill(self) -> None:
        """End a process that was never used."""
        self.kill_on_exit.detach()
        self.process.kill()
        self.process.join()
        self.process.close()
        self.connection.close()
        self.events.close()


def _main(connection: Connection, events: Connection) -> None:
    gc.disable()  # collections during imports find nothing and take a quarter of the time; main_loop.py enables it
    from realtime.worker.main_loop import run_worker_process

    with contextlib.suppress(EOFError):
        run_worker_process(connection, connection.recv(), events)
