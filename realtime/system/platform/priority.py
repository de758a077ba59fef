"""Scheduling priority of the threads that audio depends on. The system may refuse it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading

if sys.platform == "win32":
    _ABOVE_NORMAL = 0x8000  # ABOVE_NORMAL_PRIORITY_CLASS
    _HIGHEST = 2  # THREAD_PRIORITY_HIGHEST

    def raise_priority() -> bool:
        """Raise the priority of the calling thread and of the process; return False if this user may not.

        The thread joins the multimedia class Pro Audio (MMCSS). Waits then end within a millisecond
        instead of the 15.6 of the system's tick.
        """
        kernel = ctypes.WinDLL("kernel32")
        kernel.GetCurrentProcess.restype = kernel.GetCurrentThread.restype = ctypes.c_void_p
        done = bool(kernel.SetPriorityClass(ctypes.c_void_p(kernel.GetCurrentProcess()), _ABOVE_NORMAL))
        kernel.SetThreadPriority(ctypes.c_void_p(kernel.GetCurrentThread()), _HIGHEST)
        with contextlib.suppress(OSError, AttributeError):
            ctypes.WinDLL("winmm").timeBeginPeriod(1)
        with contextlib.suppress(OSError, AttributeError):
            task = ctypes.c_ulong(0)
            done = bool(ctypes.WinDLL("avrt").AvSetMmThreadCharacteristicsW("Pro Audio", ctypes.byref(task))) or done
        return done

elif sys.platform == "darwin":
    _USER_INTERACTIVE = 0x21  # QOS_CLASS_USER_INTERACTIVE, <sys/qos.h>

    def raise_priority() -> bool:
        """Raise the calling thread to the class user interactive; return False if the system refuses.

        The thread that the sound card calls has its priority from Core Audio.
        """
        try:
            return int(ctypes.CDLL(None).pthread_set_qos_class_self_np(_USER_INTERACTIVE, 0)) == 0
        except AttributeError:
            return False

else:
    NICE = -11  # the value that desktop audio servers use

    def raise_priority() -> bool:
        """Raise the priority of the calling thread and its future threads; return False if this user may not."""
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
            return True
        return False
