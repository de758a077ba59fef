"""Signals that ask a process to stop, and a way to send one to another process."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    STOPS = (signal.SIGINT, signal.SIGBREAK, signal.SIGTERM)
    _EVENT = "Local\\verdigris-stop-{}"
    _FOREVER, _MODIFY, _TERMINATE = 0xFFFFFFFF, 0x0002, 0x0001  # INFINITE, EVENT_MODIFY_STATE, PROCESS_TERMINATE
    _SYNCHRONIZE, _TIMED_OUT = 0x00100000, 0x102  # SYNCHRONIZE, WAIT_TIMEOUT
    _listening = threading.Event()

    def _kernel() -> ctypes.WinDLL:
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        for name in ("CreateEventW", "OpenEventW", "OpenProcess"):
            getattr(kernel, name).restype = wintypes.HANDLE
        kernel.WaitForSingleObject.argtypes = (wintypes.HANDLE, wintypes.DWORD)
        for name in ("SetEvent", "CloseHandle"):
            getattr(kernel, name).argtypes = (wintypes.HANDLE,)
        kernel.TerminateProcess.argtypes = (wintypes.HANDLE, wintypes.UINT)
        return kernel

    def listen() -> None:
        """Let `ask_to_stop` reach this process: its main thread then gets SIGTERM. A second call does nothing."""
        if _listening.is_set():
            return
        _listening.set()
        kernel = _kernel()
        event = kernel.CreateEventW(None, False, False, _EVENT.format(os.getpid()))

        def wait() -> None:
            while event and kernel.WaitForSingleObject(event, _FOREVER) == 0:
                _thread.interrupt_main(signal.SIGTERM)

        threading.Thread(target=wait, name="verdigris-stop", daemon=True).start()

    def interrupt_self() -> None:
        """Send SIGINT to the main thread of this process, from any thread."""
        _thread.interrupt_main(signal.SIGINT)

    def is_running(pid: int) -> bool:
        """Return True if a process of this number runs."""
        kernel = _kernel()
        process = kernel.OpenProcess(_SYNCHRONIZE, False, pid)
        if not process:
            return False
        waiting: int = kernel.WaitForSingleObject(process, 0)
        kernel.CloseHandle(process)
        return waiting == _TIMED_OUT

    def ask_to_stop(pid: int) -> None:
        """Ask a process to end; one that does not listen is ended. ProcessLookupError if there is none."""
        kernel = _kernel()
        if event := kernel.OpenEventW(_MODIFY, False, _EVENT.format(pid)):
            kernel.SetEvent(event)
            kernel.CloseHandle(event)
            return
        process = kernel.OpenProcess(_TERMINATE, False, pid)
        if not process:
            raise ProcessLookupError(pid)
        kernel.TerminateProcess(process, 1)
        kernel.CloseHandle(process)

    @contextlib.contextmanager
    def masked_for_children() -> Iterator[None]:
        """Do nothing: Windows has no masks. Children ignore Ctrl-C themselves."""
        yield

else:
    STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def listen() -> None:
        """Do nothing: signals reach every process."""

    def interrupt_self() -> None:
        """Send SIGINT to the main thread of this process, from any thread."""
        os.kill(os.getpid(), signal.SIGINT)

    def is_running(pid: int) -> bool:
        """Return True if a process of this number runs."""
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True

    def ask_to_stop(pid: int) -> None:
        """Ask a process to end. ProcessLookupError if there is none."""
        os.kill(pid, signal.SIGTERM)

    @contextlib.contextmanager
    def masked_for_children() -> Iterator[None]:
        """Block the stops while children start, which inherit that."""
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()  # otherwise the first child starts it, which unblocks the signals
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
