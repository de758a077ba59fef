"""The bootstrap: makes .venv beside this file, installs into it, sees to system libraries, then does what was asked.

    python3 dev.py run [ARGS]    play: `verdigris ARGS`; a demo if there are none
    python3 dev.py test [ARGS]   the tests: `pytest -q ARGS`
    python3 dev.py check         style, types and import rules
    python3 dev.py bench [ARGS]  the measurements: `verdigris bench ARGS`
    python3 dev.py setup         get everything ready, check again what is there, and stop

Needs Python 3.11 to 3.14 and nothing else. Re-running is quick: it installs again only when pyproject.toml,
constraints.txt, the Python or this tree's place has changed.
"""

from __future__ import annotations  # so that an older Python gets as far as saying what it lacks

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
STAMP = VENV / "verdigris.stamp"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

# Debian's names. All optional: without the first there is no sound card, without the others no window.
SYSTEM_LIBRARIES = [
    "libportaudio2",
    # Qt with QT_QPA_PLATFORM=offscreen
    *("libegl1", "libgl1", "libxkbcommon0", "libdbus-1-3"),
    *("libfontconfig1", "libfreetype6", "libglib2.0-0", "libx11-6"),
    # Qt on X11
    *("libx11-xcb1", "libxkbcommon-x11-0", "libxcb-cursor0", "libxcb-icccm4", "libxcb-image0", "libxcb-keysyms1"),
    *("libxcb-randr0", "libxcb-render-util0", "libxcb-shape0", "libxcb-shm0", "libxcb-sync1", "libxcb-xfixes0"),
    "libxcb-xkb1",
]
ELSEWHERE = {  # package manager: what to type
    "dnf": "sudo dnf install portaudio libglvnd-egl libglvnd-glx libxkbcommon-x11 dbus-libs fontconfig glib2 libX11-xcb"
    " xcb-util-cursor xcb-util-wm xcb-util-image xcb-util-keysyms xcb-util-renderutil",
    "pacman": "sudo pacman -S --needed portaudio libglvnd libxkbcommon-x11 dbus fontconfig glib2 libx11"
    " xcb-util-cursor xcb-util-wm xcb-util-image xcb-util-keysyms xcb-util-renderutil",
}


class SetupError(Exception):
    """What is missing and what to do about it; ends the program with exit code 1."""


def python_problem(version: tuple[int, int]) -> str | None:
    """One line if this Python cannot run Verdigris."""
    if (3, 11) <= version < (3, 15):
        return None
    return (
        f"Verdigris needs Python 3.11 to 3.14; this is {version[0]}.{version[1]}. "
        "If one of them is installed, start dev.py with it: python3.11 dev.py run"
    )


def stamp(root: Path, python: str) -> str:
    """What an installation depends on, in one line: the Python and a hash of the rest."""
    parts = [str(root).encode(), " ".join(SYSTEM_LIBRARIES).encode()]
    parts += [(root / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return f"{python} {hashlib.sha256(b'|'.join(parts)).hexdigest()}"


def not_installed(wanted: list[str], listing: str) -> list[str]:
    """The packages of `wanted` that dpkg does not list as installed; `listing` has lines "status name".

    Since 2024 some have "t64" after their name (64-bit time) and are the same library.
    """
    installed = {line.split()[1] for line in listing.splitlines() if line.startswith("installed ")}
    return [name for name in wanted if name not in installed and name + "t64" not in installed]


def advice(platform: str, managers: list[str]) -> str | None:
    """What to install by hand, in one line, where there is no apt; None where the wheels bring everything."""
    if platform != "linux":
        return None  # macOS, Windows: PortAudio and what Qt needs are in the wheels or in the system
    for manager in managers:
        if manager in ELSEWHERE:
            return f"For sound cards and the window, if not there yet: {ELSEWHERE[manager]}"
    return f"For sound cards and the window, install what Debian calls: {' '.join(SYSTEM_LIBRARIES)}"


def apt_install(packages: list[str]) -> bool:
    """Install with apt, as root or through sudo; False if that cannot be done."""
    prefix: list[str] = []
    if os.geteuid() != 0:
        if shutil.which("sudo") is None:
            return False
        prefix = ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    print(f"Installing with apt: {' '.join(packages)}", flush=True)
    subprocess.call([*apt, "update"])  # a list that cannot be renewed may still do
    return subprocess.call([*apt, "install", "-y", "--no-install-recommends", *packages]) == 0


def see_to_system() -> None:
    """Have the system libraries, or say what to do. Only what .venv itself needs is worth stopping for."""
    no_ensurepip = importlib.util.find_spec("ensurepip") is None
    if shutil.which("apt-get") and shutil.which("dpkg-query"):
        names = [*SYSTEM_LIBRARIES, *(name + "t64" for name in SYSTEM_LIBRARIES)]
        query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *names]
        listing = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        libraries = not_installed(SYSTEM_LIBRARIES, listing)
        needed = [f"python{PYTHON}-venv"] if no_ensurepip else []
        if needed + libraries and not apt_install(needed + libraries):
            by_hand = f"sudo apt-get install --no-install-recommends {' '.join(needed + libraries)}"
            if needed:
                raise SetupError(f"Python has no ensurepip, and apt could not be used. Install it: {by_hand}")
            print(f"apt could not be used. Sound cards and the window need: {by_hand}", file=sys.stderr)
        return
    if no_ensurepip:
        raise SetupError("Python has no ensurepip. Install your system's package for venv and pip, then try again.")
    line = advice(sys.platform, [name for name in ELSEWHERE if shutil.which(name)])
    if line:
        print(line, file=sys.stderr)


def installed_stamp() -> str:
    """The stamp of the last complete installation; empty if there is none that runs."""
    python = BIN / ("python.exe" if os.name == "nt" else "python")
    return STAMP.read_text().strip() if python.exists() and STAMP.exists() else ""


def usable() -> bool:
    """Whether .venv has this Python and a pip: not half made, not made by another Python."""
    ask = "import sys, pip; print(*sys.version_info[:2], sep='.')"
    try:
        answer = subprocess.run([str(BIN / "python"), "-c", ask], capture_output=True, text=True)
    except OSError:
        return False
    return answer.stdout.strip() == PYTHON


def prepare(again: bool) -> None:
    """Make .venv ready. Does nothing if the stamp says it is, unless `again`."""
    wanted = stamp(ROOT, PYTHON)
    if installed_stamp() == wanted and not again:
        return
    see_to_system()
    quiet = ["--quiet"]
    if not usable():
        if Path(sys.prefix).resolve() == VENV:
            raise SetupError("dev.py is running inside the .venv it has to make anew. Deactivate it and try again.")
        print("Making .venv. The first time it fetches about 0.5 GB and takes some minutes.", flush=True)
        if sys.platform == "linux":
            print("Where pip finds no CPU build of torch, torch brings CUDA along: several GB more.", flush=True)
        if subprocess.call([sys.executable, "-m", "venv", "--clear", str(VENV)]) != 0:
            raise SetupError(f"Python could not make {VENV}: see above. Is there space, and may you write there?")
        quiet = []
    pip = [str(BIN / "python"), "-m", "pip", "install", "--disable-pip-version-check", *quiet]
    if subprocess.call([*pip, "-c", "constraints.txt", "-e", ".[test]"], cwd=ROOT) != 0:
        raise SetupError("pip could not install: see above. Is there a network, and space on the disk?")
    STAMP.write_text(wanted + "\n")


def become(program: str, *arguments: str) -> int:
    """Run a program of .venv in this one's place, so that signals reach it and its exit code is ours."""
    command = [str(BIN / program), *arguments]
    if os.name != "nt":  # exec on Windows starts a child and leaves the console to both
        sys.stdout.flush()
        os.execv(command[0], command)
    return subprocess.call(command)


def check() -> int:
    """All the checks, also after one has failed; 1 if one has."""
    commands = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"], ["lint-imports", "--no-logo"])
    failed = []
    for name, *arguments in commands:
        print(f"$ {' '.join([name, *arguments])}", flush=True)
        if subprocess.call([str(BIN / name), *arguments], cwd=ROOT) != 0:
            failed.append(name)
    print(f"Failed: {', '.join(failed)}" if failed else "All checks passed.")
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    command, rest = (arguments[0], arguments[1:]) if arguments else ("help", [])
    if command in ("help", "-h", "--help"):
        print((__doc__ or "").strip())
        return 0
    if command not in ("run", "test", "check", "bench", "setup"):
        print(f'No command "{command}"; there are: run, test, check, bench, setup.', file=sys.stderr)
        return 2
    problem = python_problem(sys.version_info[:2])
    if problem:
        raise SetupError(problem)
    prepare(again=command == "setup")
    if command == "run":
        return become("verdigris", *rest)
    if command == "bench":
        return become("verdigris", "bench", *rest)
    if command == "test":
        os.chdir(ROOT)
        return become("python", "-m", "pytest", "-q", *rest)
    if command == "check":
        return check()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
