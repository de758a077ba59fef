"""Installation of the insert in the user's plug-in folders, and a report on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from realtime.plugin import build, reserved_latency
from realtime.plugin.insert_timeline import Insert, find_inserts, single_server_lock
from realtime.system.platform.folders import plugin_folder
from realtime.system.platform.machine import SYSTEM
from realtime.timeline.layout import Field, TimelineError, runtime_directory

COPIES = SYSTEM == "windows"  # links need the rights of an administrator there


class InstallError(Exception):
    """Plug-in folder that cannot be written, or that contains another program's file."""


def lv2_path() -> Path:
    """Return the path of the LV2 bundle in the user's home."""
    return plugin_folder("LV2") / build.LV2


def clap_path() -> Path:
    """Return the path of the CLAP plug-in in the user's home."""
    return plugin_folder("CLAP") / build.CLAP


def install() -> list[str]:
    """Put the plug-in where hosts look, compiled if needed; return a report in lines.

    Raises CompilerError or InstallError.
    """
    lines, here = [], build.target_here()
    if not here.is_current() and (build.compiler() or not here.lv2().is_dir()):
        build.compile_here()
        lines.append("compiled the insert")
    for kind, place, source in (("LV2", lv2_path(), here.lv2()), ("CLAP", clap_path(), here.clap())):
        _put(place, source)
        lines.append(f"{kind}: {place}")
    lines.append("in your DAW, add Verdigris to a track and start verdigris live --driver plugin")
    return lines


def uninstall() -> list[str]:
    """Remove the plug-in from where hosts look; return a report in lines. Raises InstallError."""
    found = [place for place in (lv2_path(), clap_path()) if os.path.lexists(place)]
    for place in found:
        _check_ours(place)
        _remove(place)
    return [f"removed {place}" for place in found] or ["it was not installed"]


def _put(place: Path, source: Path) -> None:
    """Link a plug-in to its place; copy it where users may not link, as on Windows."""
    _check_ours(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove(place)
        if COPIES:
            shutil.copytree(source, place) if source.is_dir() else shutil.copyfile(source, place)
        else:
            place.symlink_to(source)
    except OSError as error:
        raise InstallError(
            f"{place} cannot be written ({error.strerror}). Close the hosts that use it, make it writable, then try "
            "again."
        ) from error


def _check_ours(place: Path) -> None:
    """Raise InstallError if another program's file is at that place."""
    if os.path.lexists(place) and not place.is_symlink() and not _is_copy(place):
        raise InstallError(f"{place} exists and is not a link of Verdigris. Move it away, then try again.")


def _is_copy(place: Path) -> bool:
    """Return True if it is a copy of our plug-in, of any version."""
    files = [place] if place.is_file() else [*place.glob("insert.*"), *place.glob("Contents/MacOS/*")]
    return any(b"urn:verdigris:insert" in file.read_bytes() for file in files)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def examine() -> dict[str, str]:
    """Return the findings in words, by name."""
    return {
        "library": _library(),
        "LV2": _installed(lv2_path(), build.target_here().lv2()),
        "CLAP": _installed(clap_path(), build.target_here().clap()),
        "LV2 hosts": _lv2_hosts(),
        "latency": _latency(),
        "runtime directory": str(runtime_directory()),
        "engine": _engine(),
        "inserts": _inserts(),
    }


def _library() -> str:
    here = build.target_here()
    if here.lv2().is_dir():
        return str(here.lv2() / here.library)
    found = build.compiler()
    remedy = f"{' '.join(found)} is available" if found else "install gcc or clang"
    return f"missing: it was installed without a C compiler; {remedy}, then run verdigris plugin install"


def _installed(place: Path, source: Path) -> str:
    if not place.exists():
        return f"missing at {place}: run verdigris plugin install"
    if place.is_symlink():
        same = place.resolve() == source.resolve()
    else:
        ours = {path.relative_to(source): path.read_bytes() for path in _files(source)}
        same = ours == {path.relative_to(place): path.read_bytes() for path in _files(place)}
    if same:
        return str(place)
    return f"{place}, but it is another one ({place.resolve()}): run verdigris plugin install"


def _files(place: Path) -> list[Path]:
    return [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]


def _lv2_hosts() -> str:
    """Return whether lilv, which most hosts use, finds the plug-in; LV2_PATH may exclude it."""
    if "LV2_PATH" in os.environ and str(lv2_path().parent) not in os.environ["LV2_PATH"].split(os.pathsep):
        return f"LV2_PATH is set and lacks {lv2_path().parent}: hosts will not look there"
    if shutil.which("lv2ls") is None:
        return "not checked (lv2ls of lilv-utils is not installed)"
    listed = subprocess.run(["lv2ls"], capture_output=True, text=True, timeout=60).stdout.split()
    return "find it" if "urn:verdigris:insert" in listed else "do not find it"


def _latency() -> str:
    stored = reserved_latency.load()
    if stored is None:
        samples, rate = reserved_latency.DEFAULT_SAMPLES, reserved_latency.DEFAULT_RATE
        return f"nothing planned yet (verdigris plan): new inserts reserve {_duration(samples, rate)}"
    return f"new inserts reserve {_duration(*stored)}, as last planned"


def _duration(samples: int, rate: int) -> str:
    return f"{samples} samples = {1000 * samples / rate:.1f} ms at {rate} Hz"


def _engine() -> str:
    try:
        with single_server_lock():
            return "none runs: start verdigris live --driver plugin"
    except TimelineError as error:
        return str(error).partition(".")[0]


def _inserts() -> str:
    found = []
    for path in find_inserts():
        try:
            insert = Insert(path)
        except TimelineError as error:
            found.append(str(error))
            continue
        playing = "playing" if insert.timeline.load(Field.ATTACH_COUNT) else "dry"
        found.append(f"{insert.identity[:8]} {insert.rate} Hz, latency {insert.latency}, {playing}")
        insert.close()
    return "; ".join(found) or "none: no host has an active one"
