"""Signals that stop the program: SIGINT (Ctrl-C), SIGTERM, SIGHUP (closed terminal), Ctrl-Break.

The first signal interrupts the work. Later ones are ignored, so that the cleanup always completes.
Libraries can swallow the KeyboardInterrupt (PyAV sometimes does): loops around them call
`reraise_interrupt`. Extensions written in C print it while they are imported (numba's do), before
they fail with an error of their own: it is not shown.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from realtime.system.platform.stop_signals import STOPS, interrupt_self, listen, masked_for_children

_raised = threading.Event()


def install_interrupt_handler() -> None:
    """Make the first stop signal raise KeyboardInterrupt. Does nothing outside the main thread."""
    _raised.clear()
    _handle(_stop)
    listen()
    sys.unraisablehook = _raise_again
    sys.excepthook = _show_error


def interrupted() -> bool:
    """Return True once a stop signal has raised KeyboardInterrupt."""
    return _raised.is_set()


def ignore_stops() -> None:
    """Ignore stop signals from now on: the program ends anyway."""
    _handle(signal.SIG_IGN)


def _stop(*_: object) -> None:
    _handle(lambda *_: None)
    _raised.set()
    raise KeyboardInterrupt


def _show_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error as Python does, but not the KeyboardInterrupt of a signal: the program stops anyway."""
    if kind is not KeyboardInterrupt or not _raised.is_set():
        sys.__excepthook__(kind, error, trace)


def _raise_again(unraisable: Any) -> None:
    """Send the signal again if its KeyboardInterrupt was lost in a finalizer or an import lock."""
    if unraisable.exc_type is not KeyboardInterrupt or not _raised.is_set():
        sys.__unraisablehook__(unraisable)
        return
    if threading.current_thread() is threading.main_thread():
        _handle(_stop)
        again = threading.Timer(0.01, interrupt_self)
        again.daemon = True
        again.start()


def reraise_interrupt() -> None:
    """Raise KeyboardInterrupt again if a library swallowed it.

    Call it from loops of the main thread.
    """
    if _raised.is_set():
        raise KeyboardInterrupt


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Keep a stop signal until the context ends: some libraries abort if their import is interrupted."""
    caught: list[int] = []
    before = _handle(lambda number, _: caught.append(number))
    try:
        yield
    finally:
        _restore(before)
        if caught:
            signal.raise_signal(caught[0])


@contextmanager
def stop_event() -> Iterator[threading.Event]:
    """Make stop signals set the yielded event instead of raising.

    The former handlers return afterwards, unless the event was set: then later signals stay
    ignored.
    """
    stopping = threading.Event()
    before = _handle(lambda *_: stopping.set())
    try:
        yield stopping
    finally:
        if not stopping.is_set():
            _restore(before)


@contextmanager
def signals_blocked_for_child() -> Iterator[None]:
    """Start child processes that never receive stop signals; a terminal sends Ctrl-C to all its
    processes.

    A signal that arrives inside the context is raised in this process when the context ends.
    """
    caught: list[int] = []
    before = _handle(lambda number, _: caught.append(number))  # a mask holds for one thread only
    try:
        with masked_for_children():
            yield
    finally:
        _restore(before)
        if caught:
            signal.raise_signal(caught[0])


def _handle(handler: Any) -> dict[int, Any]:
    """Install a handler and return the former ones.

    Signals ignored from the start (nohup) stay so, except SIGINT.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    kept = [n for n in STOPS if n != signal.SIGINT and signal.getsignal(n) is signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in STOPS if number not in kept}


def _restore(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
