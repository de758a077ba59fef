"""Signals that stop the program: Ctrl-C, SIGTERM, the terminal going away.

The first one stops what is being done. Those after it are ignored, so that nothing breaks off the cleaning up.
Libraries can swallow the KeyboardInterrupt (PyAV does, about once in forty): loops around them call `not_lost`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


_raised = threading.Event()


def raise_on_stop() -> None:
    """From now on the first of them raises KeyboardInterrupt. Does nothing outside the main thread."""

    def stop(*_: object) -> None:
        _handle(lambda *_: None)
        _raised.set()
        raise KeyboardInterrupt

    _raised.clear()
    _handle(stop)


def not_lost() -> None:
    """Raise KeyboardInterrupt again if it was raised and yet the program goes on. Main thread, in a loop's course."""
    if _raised.is_set():
        raise KeyboardInterrupt


@contextmanager
def stop_event() -> Iterator[threading.Event]:
    """Within, they set the event and break nothing off; after it they do that still, if it was set."""
    stopping = threading.Event()
    before = _handle(lambda *_: stopping.set())
    try:
        yield stopping
    finally:
        if not stopping.is_set():
            _restore(before)


@contextmanager
def held_for_child() -> Iterator[None]:
    """A process started within never gets them: a terminal's Ctrl-C goes to all its processes. Ours wait that long."""
    resource_tracker.ensure_running()  # or the first process starts it, which lets the signals through again
    caught: list[int] = []
    before = _handle(lambda number, _: caught.append(number))  # a mask is the thread's own: others would still get them
    masked = hasattr(signal, "pthread_sigmask")  # not on Windows
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS) if masked else set()
    try:
        yield
    finally:
        if masked:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _restore(before)
        if caught:
            signal.raise_signal(caught[0])


def _handle(handler: Any) -> dict[int, Any]:
    """Install it; what was there before. What was ignored from the start (nohup) stays ignored, except Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    kept = [n for n in STOPS if n != signal.SIGINT and signal.getsignal(n) is signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in STOPS if number not in kept}


def _restore(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
