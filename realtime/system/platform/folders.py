"""Folders of the system: settings, runtime files, plug-ins.

`XDG_CONFIG_HOME` and `XDG_RUNTIME_DIR` decide on every system where they are set. The plug-in's C
(`native/system_posix.c`, `native/system_windows.c`) looks in the same places.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

NAME = "verdigris"


def config_directory() -> Path:
    """Return the directory of the user's settings: below XDG_CONFIG_HOME, or the system's place."""
    base = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    if base.is_absolute():
        return base / NAME
    try:
        Path.home()
    except RuntimeError:  # this user has no home; nothing can be stored below /dev/null
        return Path(os.devnull) / ".config" / NAME
    return _system_config()


def runtime_path() -> Path:
    """Return the place of the user's directory for files of running programs, in memory where possible."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    return Path(base) / NAME if base and os.access(base, os.W_OK) else _system_runtime()


def home_relative(*parts: str) -> Path:
    """Return a path below the user's home."""
    return Path(os.path.expanduser("~")).joinpath(*parts)


if sys.platform == "win32":

    def _of_variable(name: str, *parts: str, default: str = "~") -> Path:
        return Path(os.environ.get(name) or os.path.expanduser(default)).joinpath(*parts)

    def _system_config() -> Path:
        import platformdirs

        return platformdirs.user_config_path(NAME, appauthor=False, roaming=True)

    def _system_runtime() -> Path:
        base = os.environ.get("LOCALAPPDATA")
        return Path(base) / NAME / "run" if base else Path(tempfile.gettempdir()) / NAME

    def is_own(directory: Path) -> bool:
        """Return True: other users may not write to this one's profile."""
        return True

    def plugin_folder(kind: str) -> Path:
        """Return the user's folder of LV2 or CLAP plug-ins."""
        if kind == "LV2":
            return _of_variable("APPDATA", "LV2")
        return _of_variable("LOCALAPPDATA", "Programs", "Common", "CLAP")

    def vst3_folders() -> list[Path]:
        """Return the folders where VST3 plug-ins are installed."""
        common = _of_variable("CommonProgramFiles", "VST3", default="C:\\Program Files\\Common Files")
        return [_of_variable("LOCALAPPDATA", "Programs", "Common", "VST3"), common]

else:

    def _system_config() -> Path:
        if sys.platform == "darwin":
            import platformdirs

            return platformdirs.user_config_path(NAME, appauthor=False)
        else:
            return home_relative(".config", NAME)

    def _system_runtime() -> Path:
        shared = Path("/dev/shm")
        in_memory = sys.platform == "linux" and os.access(shared, os.W_OK)
        return (shared if in_memory else Path(tempfile.gettempdir())) / f"{NAME}-{os.getuid()}"

    def is_own(directory: Path) -> bool:
        """Return True if the directory belongs to this user."""
        return directory.stat().st_uid == os.getuid()

    def plugin_folder(kind: str) -> Path:
        """Return the user's folder of LV2 or CLAP plug-ins."""
        if sys.platform == "darwin":
            return home_relative("Library", "Audio", "Plug-Ins", kind)
        else:
            return home_relative(f".{kind.lower()}")

    def vst3_folders() -> list[Path]:
        """Return the folders where VST3 plug-ins are installed."""
        if sys.platform == "darwin":
            folder = "Library/Audio/Plug-Ins/VST3"
            return [home_relative(folder), Path("/") / folder]
        else:
            return [home_relative(".vst3"), Path("/usr/lib/vst3"), Path("/usr/local/lib/vst3")]
