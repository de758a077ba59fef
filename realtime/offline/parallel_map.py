"""One function applied to many items by several processes, with one thread of computation each.

A process that dies costs the item that it worked on, and only if it dies twice: the item is given
to another process once. Results arrive in the order in which they are ready.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar, cast

from models.codec import CodecError
from models.load import limit_cores, usable_cores
from realtime.system.atomic_file import FileError
from realtime.system.signals import reraise_interrupt, signals_blocked_for_child

Item = TypeVar("Item")
Result = TypeVar("Result")

ATTEMPTS = 2  # processes that an item may end
POLL_S = 0.5  # between looks for Ctrl-C


@dataclass(frozen=True)
class Outcome(Generic[Item, Result]):
    """Result of one item, or the error that it ended with."""

    item: Item
    result: Result | None
    error: str = ""


def apply(function: Callable[[Item], Result], item: Item) -> Outcome[Item, Result]:
    """Return the outcome of one call; an error of an item never ends the others."""
    try:
        return Outcome(item, function(item))
    except (CodecError, FileError, OSError) as error:
        return Outcome(item, None, str(error))
    except Exception as error:  # noqa: BLE001 - a bug that one file shows must not lose the work on all others
        return Outcome(item, None, f"{type(error).__name__}: {error}")


def map_in_processes(
    function: Callable[[Item], Result], items: Iterable[Item], jobs: int = 0
) -> Iterator[Outcome[Item, Result]]:
    """Yield the outcome of each item, in no particular order.

    `function` and items are pickled. `jobs` is the number of processes, 0 for one on each core.
    Processes end when the iterator is closed, and when this process dies.
    """
    todo = deque((item, 1) for item in items)
    workers: dict[Connection, _Worker] = {}

    def start() -> None:
        worker = _Worker(function, *todo.popleft())
        workers[worker.connection] = worker

    try:
        for _ in range(min(jobs or usable_cores(), len(todo))):
            start()
        while workers:
            reraise_interrupt()
            for ready in wait(list(workers), POLL_S):
                worker = workers[cast(Connection, ready)]
                outcome = worker.outcome()
                died = outcome is None
                if died:
                    if worker.attempt < ATTEMPTS:
                        todo.appendleft((worker.item, worker.attempt + 1))
                    else:
                        why = f"its process died {ATTEMPTS} times ({worker.end()}); the machine may lack memory"
                        outcome = Outcome(worker.item, None, why)
                if todo and not died:
                    worker.give(*todo.popleft())
                else:
                    workers.pop(worker.connection).kill()
                    if todo:
                        start()
                if outcome is not None:
                    yield outcome
    finally:
        for worker in workers.values():
            worker.kill()


class _Worker:
    """Process that applies a function to one item after another. Use it in one thread."""

    def __init__(self, function: Callable[[Any], Any], item: Any, attempt: int) -> None:
        context = multiprocessing.get_context("spawn")
        ends: tuple[Any, Any] = context.Pipe()  # another class on each system
        self.connection: Connection = ends[0]
        other: Connection = ends[1]
        self._process = context.Process(target=_serve, args=(other, function), name="verdigris-batch")
        with signals_blocked_for_child():  # Ctrl-C is for the process that was started
            self._process.start()
        other.close()
        self.give(item, attempt)

    def give(self, item: Any, attempt: int) -> None:
        """Send an item; a process that has died is noticed by `outcome`."""
        self.item, self.attempt = item, attempt
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send_bytes(pickle.dumps(item))

    def outcome(self) -> Outcome[Any, Any] | None:
        """Return the outcome of the item, or None if the process has died."""
        try:
            found: Outcome[Any, Any] = self.connection.recv()
        except (EOFError, OSError):
            return None
        return found

    def end(self) -> str:
        """Return how the process ended."""
        self._process.join(1.0)
        code = self._process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def kill(self) -> None:
        """End the process."""
        self.connection.close()
        self._process.kill()
        self._process.join()
        self._process.close()


def _serve(connection: Connection, function: Callable[[Any], Any]) -> None:
    """Apply the function to items until the pipe closes."""
    limit_cores(1)
    while True:
        try:
            item = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            return
        outcome = apply(function, item)
        try:
            connection.send(outcome)
        except (BrokenPipeError, ConnectionResetError):  # the owner has gone
            return
