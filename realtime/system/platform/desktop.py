"""Entry of the program in the system's menu of applications.

Linux: a desktop entry and an icon (https://specifications.freedesktop.org/desktop-entry-spec/).
macOS: a small application in the user's Applications. Windows: a shortcut in the Start menu.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from pathlib import Path

NAME, COMMENT = "Verdigris", "Play live through audio codecs"
ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">
<rect width="64" height="64" rx="14" fill="#16211f"/>
<path d="M10 38 q6-24 12 0 t12 0 t12 0 t8-10" fill="none" stroke="#43b3a0" stroke-width="5" stroke-linecap="round"/>
<path d="M10 44 h44" stroke="#c98b52" stroke-width="3" stroke-dasharray="4 5" stroke-linecap="round"/>
</svg>
"""


def command() -> list[str]:
    """Return the command that starts the window: the installed one, else this Python."""
    folder = Path(sys.executable).parent
    for name in ("verdigris.exe", "verdigris"):
        if (folder / name).is_file():
            return [str(folder / name)]
    return [sys.executable, "-m", "realtime.cli.main"]


if sys.platform == "win32":
    import ctypes
    import uuid

    _SHELL_LINK = "00021401-0000-0000-C000-000000000046"  # CLSID_ShellLink
    _LINK, _FILE = "000214F9-0000-0000-C000-000000000046", "0000010B-0000-0000-C000-000000000046"
    _RELEASE, _SAVE, _DESCRIPTION, _ARGUMENTS, _PATH = 2, 6, 7, 11, 20  # places in the interfaces' tables

    def _guid(text: str) -> ctypes.Array[ctypes.c_char]:
        return ctypes.create_string_buffer(uuid.UUID(text).bytes_le, 16)

    def _call(interface: ctypes.c_void_p, place: int, *arguments: object) -> None:
        """Call a function of a COM interface. OSError if it fails."""
        table = ctypes.cast(interface, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p)))[0]
        kinds = [ctypes.c_wchar_p if isinstance(a, str) else ctypes.c_void_p for a in arguments]
        result = ctypes.WINFUNCTYPE(ctypes.c_long, ctypes.c_void_p, *kinds)(table[place])(interface, *arguments)
        if place != _RELEASE and result < 0:
            raise OSError(0, f"the shortcut cannot be made (error {result & 0xFFFFFFFF:#x})")

    def places() -> list[Path]:
        """Return the files of the entry."""
        menu = Path(os.environ.get("APPDATA") or os.path.expanduser("~"))
        return [menu / "Microsoft" / "Windows" / "Start Menu" / "Programs" / f"{NAME}.lnk"]

    def install() -> None:
        """Write the entry. OSError if that fails."""
        (place,) = places()
        program, *arguments = command()
        quiet = Path(program).with_name("pythonw.exe")
        if arguments and quiet.is_file():  # without a console
            program = str(quiet)
        place.parent.mkdir(parents=True, exist_ok=True)
        ole = ctypes.WinDLL("ole32")
        ole.CoInitialize(None)
        link, file = ctypes.c_void_p(), ctypes.c_void_p()
        if ole.CoCreateInstance(_guid(_SHELL_LINK), None, 1, _guid(_LINK), ctypes.byref(link)) != 0:
            raise OSError(0, "the shortcut cannot be made: Windows offers no shell links")
        _call(link, _PATH, program)
        _call(link, _ARGUMENTS, " ".join(arguments))
        _call(link, _DESCRIPTION, COMMENT)
        wanted = _guid(_FILE)  # kept: only its address is passed
        _call(link, 0, ctypes.addressof(wanted), ctypes.addressof(file))
        _call(file, _SAVE, str(place), 1)
        for interface in (file, link):
            _call(interface, _RELEASE)

elif sys.platform == "darwin":
    _INFO = f"""<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
<key>CFBundleExecutable</key><string>verdigris</string>
<key>CFBundleIdentifier</key><string>verdigris.window</string>
<key>CFBundleName</key><string>{NAME}</string>
<key>CFBundlePackageType</key><string>APPL</string>
<key>NSMicrophoneUsageDescription</key><string>Verdigris plays what it hears through audio codecs.</string>
</dict></plist>
"""

    def places() -> list[Path]:
        """Return the files of the entry."""
        return [Path(os.path.expanduser("~/Applications")) / f"{NAME}.app"]

    def install() -> None:
        """Write the entry. OSError if that fails."""
        contents = places()[0] / "Contents"
        script = contents / "MacOS" / "verdigris"
        script.parent.mkdir(parents=True, exist_ok=True)
        (contents / "Info.plist").write_text(_INFO, encoding="utf-8")
        script.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n', encoding="utf-8")
        script.chmod(0o755)

else:

    def places() -> list[Path]:
        """Return the files of the entry."""
        base = Path(os.environ.get("XDG_DATA_HOME", ""))
        data = base if base.is_absolute() else Path(os.path.expanduser("~/.local/share"))
        icon = data / "icons" / "hicolor" / "scalable" / "apps" / "verdigris.svg"
        return [data / "applications" / "verdigris.desktop", icon]

    def install() -> None:
        """Write the entry. OSError if that fails."""
        entry, icon = places()
        quoted = " ".join(_quoted(part) for part in [*command(), "gui"])
        lines = (
            *("[Desktop Entry]", "Type=Application", f"Name={NAME}", f"Comment={COMMENT}", f"Exec={quoted}"),
            *("Icon=verdigris", "Terminal=false", "Categories=AudioVideo;Audio;", ""),
        )
        for place, text in ((entry, "\n".join(lines)), (icon, ICON)):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")

    def _quoted(part: str) -> str:
        """Return an argument as the specification quotes it."""
        for sign in ("\\", '"', "`", "$"):
            part = part.replace(sign, "\\" + sign)
        return '"' + part.replace("\\", "\\\\").replace("%", "%%") + '"'


def uninstall() -> list[Path]:
    """Remove the entry; return the files that were there."""
    found = [place for place in places() if place.exists()]
    for place in found:
        if place.is_dir():
            shutil.rmtree(place)
        else:
            with contextlib.suppress(FileNotFoundError):
                place.unlink()
    return found
