"""Facts about this system for `verdigris doctor`."""

from __future__ import annotations

import ctypes.util
import os
import platform
import subprocess
import sys
from pathlib import Path

from realtime.system.platform.machine import BUNDLES_PORTAUDIO


def description() -> str:
    """Return the system in words, with what stands between it and this program: Wine, Rosetta."""
    notes = [platform.platform()]
    if wine := wine_version():
        notes.append(f"by Wine {wine}, which is not Windows")
    if translated():
        notes.append("translated by Rosetta: install a Python for ARM, it is faster")
    return ", ".join(notes)


if sys.platform == "win32":

    def wine_version() -> str:
        """Return the version of Wine; "" on Windows itself."""
        version = getattr(ctypes.WinDLL("ntdll"), "wine_get_version", None)
        if version is None:
            return ""
        version.restype = ctypes.c_char_p
        return str(version().decode("ascii", "replace"))

    def translated() -> bool:
        """Return False: Windows does not tell."""
        return False

    def realtime_priority() -> str:
        """Return the priority that this user's threads may get, in words."""
        return "by the system: Pro Audio class"

    def microphone_advice() -> str:
        """Return what to allow if the input stays silent."""
        return "if it is silent: Settings, Privacy, Microphone: let desktop apps use it"

else:
    import resource

    def wine_version() -> str:
        """Return "": this is no Windows program."""
        return ""

    def translated() -> bool:
        """Return True if Rosetta translates this x86-64 program on a Mac with an ARM processor."""
        if sys.platform == "darwin":
            answer = subprocess.run(["sysctl", "-in", "sysctl.proc_translated"], capture_output=True, text=True)
            return answer.stdout.strip() == "1"
        else:
            return False

    def realtime_priority() -> str:
        """Return the priority that this user's threads may get, in words."""
        if sys.platform == "darwin":
            return "by the system: class user interactive"
        elif os.geteuid() == 0:
            return "allowed (root)"
        else:
            soft, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
            return f"up to {soft}" if soft else "none: add yourself to the audio group for steadier playing"

    def microphone_advice() -> str:
        """Return what to allow if the input stays silent; "" where nothing can forbid it."""
        if sys.platform == "darwin":
            return (
                "if it is silent: System Settings, Privacy & Security, Microphone: allow the terminal (or app) that "
                "starts Verdigris, then start it again"
            )
        else:
            return ""


def governor() -> str:
    """Return the frequency governor of the processor; "unknown" where the system names none."""
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def portaudio_place() -> str:
    """Return the place of PortAudio; "" if it is not installed."""
    return "bundled with sounddevice" if BUNDLES_PORTAUDIO else ctypes.util.find_library("portaudio") or ""
