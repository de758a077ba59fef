"""Child processes: started without the terminal of their parent, or bound to its life."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

ASK_S = 0.5  # between two looks for the parent of a fork server

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _KILL_ON_CLOSE = 0x2000  # JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    _EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation

    class _JobLimits(ctypes.Structure):
        """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

        _fields_ = (
            ("times", ctypes.c_int64 * 2),
            ("flags", wintypes.DWORD),
            ("sizes", ctypes.c_size_t * 2),
            ("active", wintypes.DWORD),
            ("affinity", ctypes.c_size_t),
            ("classes", wintypes.DWORD * 2),
            ("transfers", ctypes.c_uint64 * 6),
            ("memory", ctypes.c_size_t * 4),
        )

    def background() -> dict[str, Any]:
        """Return arguments of `Popen` for a process that Ctrl-C here does not reach, without a window."""
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}

    @cache
    def _job() -> int:
        """Return a job whose processes end when this one does, since its last handle is closed then."""
        kernel = ctypes.WinDLL("kernel32")
        kernel.CreateJobObjectW.restype = wintypes.HANDLE
        job = kernel.CreateJobObjectW(None, None)
        limits = _JobLimits(flags=_KILL_ON_CLOSE)
        kernel.SetInformationJobObject(
            wintypes.HANDLE(job), _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)
        )
        return int(job or 0)

    def bind_child(process: subprocess.Popen[bytes]) -> None:
        """Make the system end this child when the calling process ends, however it ends."""
        handle: Any = getattr(process, "_handle")  # noqa: B009 - Popen's own; asking by pid could hit another process
        ctypes.WinDLL("kernel32").AssignProcessToJobObject(wintypes.HANDLE(_job()), wintypes.HANDLE(int(handle)))

    def bind_to_parent(parent: int) -> None:
        """Do nothing: the parent has called `bind_child`."""

    def crash_name(code: int) -> str:
        """Return the name of what ended a process; "" if it ended by itself with this exit code."""
        return {0xC0000005: "access violation", 0xC00000FD: "stack overflow"}.get(code & 0xFFFFFFFF, "")

else:

    def background() -> dict[str, Any]:
        """Return arguments of `Popen` for a process that Ctrl-C here does not reach, without a window."""
        return {"start_new_session": True}

    def bind_child(process: subprocess.Popen[bytes]) -> None:
        """Do nothing: the child calls `bind_to_parent`."""

    def bind_to_parent(parent: int) -> None:
        """Make the system end this process with its parent, even while a plug-in does not return.

        macOS: a thread waits for the parent's end, and needs Python's lock to act on it.
        """
        if sys.platform == "darwin":
            import select

            queue = select.kqueue()
            event = select.kevent(
                parent, select.KQ_FILTER_PROC, select.KQ_EV_ADD | select.KQ_EV_ONESHOT, select.KQ_NOTE_EXIT
            )

            def wait() -> None:
                queue.control([event], 1)
                os._exit(1)

            threading.Thread(target=wait, name="verdigris-parent", daemon=True).start()
        elif sys.platform == "linux":
            _prctl_death_signal()
        if os.getppid() != parent:  # it has already ended
            os._exit(0)

    def _prctl_death_signal() -> None:
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    def crash_name(code: int) -> str:
        """Return the name of what ended a process; "" if it ended by itself with this exit code."""
        try:
            return signal.Signals(-code).name
        except ValueError:
            return ""


if sys.platform == "linux":

    def prepared_context(module: str) -> Any:
        """Return a context of multiprocessing whose processes have already imported `module`.

        A fork server imports it once, before its first process. A child has the environment of
        the fork server's start, which may not be the caller's.
        """
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([module])
        return context

    @contextlib.contextmanager
    def ends_with_parent() -> Iterator[None]:
        """End this process soon after its parent, while the body runs in the main thread.

        For the preparation of a fork server, which looks for its parent only afterwards. A timer
        asks, since the processes to come cannot be forked beside a thread.
        """
        parent = os.getppid()

        def ask(*_: object) -> None:
            if os.getppid() != parent:
                os._exit(0)

        before = signal.signal(signal.SIGALRM, ask)
        signal.setitimer(signal.ITIMER_REAL, ASK_S, ASK_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)

else:

    def ends_with_parent() -> contextlib.AbstractContextManager[None]:
        """Return a context that does nothing: there is no fork server."""
        return contextlib.nullcontext()

    def prepared_context(module: str) -> Any:
        """Return the context that starts each process anew: forking is not safe here."""
        return multiprocessing.get_context("spawn")
