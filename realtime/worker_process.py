"""A worker's process and the pipes to it: started before anything is known of what it will play.

This module imports nothing that takes long, so that the process can import what it needs while its engine's own still
does, and its arguments are looked at: half of the seconds until the first sound.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import weakref
from multiprocessing.connection import Connection

from realtime.signals import held_for_child


class WorkerProcess:
    """Waits for a service.Request in `connection`; ends when the pipe is closed. For one Link."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.news, their_news = context.Pipe(duplex=False)  # what the worker reports while it plays (news.py)
        self.process = context.Process(target=_main, args=(theirs, their_news), name="verdigris-worker", daemon=True)
        with held_for_child():
            self.process.start()
            # if nobody stops it: Python would send SIGTERM, which is held from it, and wait
            self.forgotten = weakref.finalize(self, self.process.kill)
        theirs.close()  # so that the pipe closes when the process dies
        their_news.close()

    def kill(self) -> None:
        """It is not wanted."""
        self.forgotten.detach()
        self.process.kill()
        self.process.join()
        self.process.close()
        self.connection.close()
        self.news.close()


def _main(connection: Connection, news: Connection) -> None:
    gc.disable()  # imports leave no garbage: looking for it takes a quarter of their time; service.py begins again
    from realtime.service import serve_process

    with contextlib.suppress(EOFError):
        serve_process(connection, connection.recv(), news)
