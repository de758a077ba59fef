"""Where hosts look for plug-ins: installing the insert there, and saying why a host may not have it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from realtime.config import INSERT_LATENCY, config_directory
from realtime.drivers.plugin import Insert, find
from realtime.plugin import build
from realtime.timeline import Field, TimelineError, runtime_directory

BUNDLE, CLAP = "verdigris.lv2", "verdigris.clap"


class InstallError(Exception):
    """A place that cannot be written, or that somebody else's file is in."""


def native_available() -> bool:
    """Whether the library has been compiled."""
    return build.LIBRARY.is_file()


def lv2_place() -> Path:
    """The bundle's in the user's home."""
    base = Path.home() / ("Library/Audio/Plug-Ins/LV2" if sys.platform == "darwin" else ".lv2")
    return base / BUNDLE


def clap_place() -> Path:
    base = Path.home() / ("Library/Audio/Plug-Ins/CLAP" if sys.platform == "darwin" else ".clap")
    return base / CLAP


def install() -> list[str]:
    """Link the plug-in into the user's home, compiled first if need be; what was done, in lines.

    CompilerError or InstallError if it cannot be.
    """
    said = []
    if not native_available() or (build.stale() and build.compiler()):
        build.compile_library()
        said.append("compiled the insert")
    for kind, place, target in (("LV2", lv2_place(), build.BUNDLE), ("CLAP", clap_place(), build.LIBRARY)):
        _link(place, target)
        said.append(f"{kind}: {place}")
    said.append("in your DAW, add Verdigris to a track and start verdigris live --driver plugin")
    return said


def _link(place: Path, target: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_symlink():
            place.unlink()
        place.symlink_to(target)
    except FileExistsError:
        raise InstallError(f"{place} is there and no link of ours. Move it away, then try again.") from None
    except OSError as error:
        raise InstallError(f"{place} cannot be written ({error.strerror}). Make it yours.") from error


def examine() -> dict[str, str]:
    """What was found, in words, by name."""
    return {
        "library": _library(),
        "LV2": _linked(lv2_place(), build.BUNDLE),
        "CLAP": _linked(clap_place(), build.LIBRARY),
        "LV2 hosts": _seen(),
        "latency": _latency(),
        "runtime directory": str(runtime_directory()),
        "engine": _engine(),
        "inserts": _inserts(),
    }


def _library() -> str:
    if native_available():
        return str(build.LIBRARY)
    found = build.compiler()
    remedy = f"{found} is here" if found else "install gcc or clang"
    return f"missing: it was installed without a C compiler; {remedy}, then run verdigris plugin install"


def _linked(place: Path, target: Path) -> str:
    if not place.exists():
        return f"missing at {place}: run verdigris plugin install"
    other = place.resolve() != target.resolve()
    return f"{place}, but it is another one ({place.resolve()}): run verdigris plugin install" if other else str(place)


def _seen() -> str:
    """Whether lilv, which most hosts use, finds it; LV2_PATH, where it is set, has to name the place."""
    if "LV2_PATH" in os.environ and str(lv2_place().parent) not in os.environ["LV2_PATH"].split(os.pathsep):
        return f"LV2_PATH is set and lacks {lv2_place().parent}: hosts will not look there"
    if shutil.which("lv2ls") is None:
        return "not asked (lv2ls of lilv-utils is not here)"
    listed = subprocess.run(["lv2ls"], capture_output=True, text=True, timeout=60).stdout.split()
    return "find it" if "urn:verdigris:insert" in listed else "do not find it"


def _latency() -> str:
    try:
        latency, rate = (config_directory() / INSERT_LATENCY).read_text(encoding="ascii").split()
        return f"new inserts reserve {int(latency)} samples at {int(rate)} Hz, as last planned"
    except (OSError, ValueError):
        return "nothing planned yet (verdigris plan): new inserts reserve 8192 samples at 48000 Hz"


def _engine() -> str:
    try:
        from realtime.inserts import alone

        with alone():
            return "none runs: start verdigris live --driver plugin"
    except TimelineError as error:
        return str(error).partition(".")[0]


def _inserts() -> str:
    found = []
    for path in find():
        try:
            insert = Insert(path)
        except TimelineError as error:
            found.append(str(error))
            continue
        playing = "playing" if insert.timeline.load(Field.ENGINE) else "dry"
        found.append(f"{insert.identity[:8]} {insert.rate} Hz, latency {insert.latency}, {playing}")
        insert.close()
    return "; ".join(found) or "none: no host has one active"
