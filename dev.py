"""Bootstrap: create .venv beside this file, install into it and into the system, then run a command.

    python3 dev.py run [ARGS]    play: `verdigris ARGS`; without ARGS the window, or a demo without a display
    python3 dev.py test [ARGS]   the tests: `pytest -q ARGS`; without ARGS the fast ones, on all cores
    python3 dev.py check         style, types and import rules
    python3 dev.py bench [ARGS]  the measurements: `verdigris bench ARGS`
    python3 dev.py wheel         dist/*.whl, with the DAW plug-in for every system
    python3 dev.py setup         install everything, also what seems to be installed, and stop

On Debian and Ubuntu the first run installs system libraries with apt (sudo); `dev.py run --no-apt`
prints their names instead. Needs Python 3.11 to 3.14 and nothing else. Installs again only when
pyproject.toml, constraints.txt, the Python or this directory has changed.
"""

from __future__ import annotations  # so that an older Python reaches the message about its version

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

# Names of Debian. All optional: the first is for sound cards, the others for the window.
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
BUILD_TOOLS = ["hatchling>=1.27", "ziglang>=0.15,<1"]  # the extra `build` of pyproject.toml
ELSEWHERE = {  # command by package manager
    "dnf": "sudo dnf install portaudio libglvnd-egl libglvnd-glx libxkbcommon-x11 dbus-libs fontconfig glib2 libX11-xcb"
    " xcb-util-cursor xcb-util-wm xcb-util-image xcb-util-keysyms xcb-util-renderutil",
    "pacman": "sudo pacman -S --needed portaudio libglvnd libxkbcommon-x11 dbus fontconfig glib2 libx11"
    " xcb-util-cursor xcb-util-wm xcb-util-image xcb-util-keysyms xcb-util-renderutil",
}
REMEDY = {  # for a Python without venv or pip
    "win32": "The embeddable package, for one, has neither. Install Python 3.11 to 3.14 with the installer of"
    " python.org, or: winget install Python.Python.3.13. Then open a new terminal: py dev.py run",
}
OTHER_REMEDY = "Install your system's package for venv and pip, then try again."


class SetupError(Exception):
    """Something that is missing, and what to do; ends the program with exit code 1."""


def python_problem(version: tuple[int, int]) -> str | None:
    """Return one line if this Python cannot run Verdigris."""
    if (3, 11) <= version < (3, 15):
        return None
    return (
        f"Verdigris needs Python 3.11 to 3.14; this is {version[0]}.{version[1]}. "
        "If one of them is installed, start dev.py with it: python3.11 dev.py run"
    )


def stamp(root: Path, python: str) -> str:
    """Return the Python version and a hash of everything else that an installation depends on."""
    parts = [str(root).encode(), " ".join(SYSTEM_LIBRARIES).encode()]
    parts += [(root / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return f"{python} {hashlib.sha256(b'|'.join(parts)).hexdigest()}"


def not_installed(wanted: list[str], listing: str) -> list[str]:
    """Return the packages of `wanted` that dpkg does not list as installed.

    `listing` has lines "status name". Since 2024 some names end in "t64" (64-bit time); they are the same
    library.
    """
    installed = {line.split()[1] for line in listing.splitlines() if line.startswith("installed ")}
    return [name for name in wanted if name not in installed and name + "t64" not in installed]


def advice(platform: str, managers: list[str]) -> str | None:
    """Return what to install by hand without apt; None where the wheels contain everything."""
    if platform != "linux":
        return None  # macOS, Windows: PortAudio and what Qt needs are in the wheels or in the system
    for manager in managers:
        if manager in ELSEWHERE:
            return f"Sound cards and the window need, if not installed yet: {ELSEWHERE[manager]}"
    return f"Sound cards and the window need the libraries that Debian calls: {' '.join(SYSTEM_LIBRARIES)}"


def apt_install(packages: list[str]) -> bool:
    """Install with apt, as root or through sudo. Return False if that fails."""
    prefix: list[str] = []
    if os.geteuid() != 0:
        if shutil.which("sudo") is None:
            return False
        prefix = ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    print(f"Installing system libraries with apt (--no-apt refuses): {' '.join(packages)}", flush=True)
    subprocess.call([*apt, "update"])  # an old list may be enough
    return subprocess.call([*apt, "install", "-y", "--no-install-recommends", *packages]) == 0


def install_system_libraries(*, may_use_apt: bool) -> None:
    """Install missing system libraries, or print how to. SetupError only for what .venv itself needs."""
    missing = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
    lacks = f"Python has no {' and no '.join(missing)}"
    if shutil.which("apt-get") and shutil.which("dpkg-query"):
        names = [*SYSTEM_LIBRARIES, *(name + "t64" for name in SYSTEM_LIBRARIES)]
        query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *names]
        listing = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        libraries = not_installed(SYSTEM_LIBRARIES, listing)
        needed = [f"python{PYTHON}-venv"] if missing else []
        if needed + libraries and not (may_use_apt and apt_install(needed + libraries)):
            by_hand = f"sudo apt-get install --no-install-recommends {' '.join(needed + libraries)}"
            if needed:
                raise SetupError(f"{lacks}, and apt was not used. Install it: {by_hand}")
            print(f"apt was not used. Sound cards and the window need: {by_hand}", file=sys.stderr)
        return
    if missing:
        raise SetupError(f"{lacks}. {REMEDY.get(sys.platform, OTHER_REMEDY)}")
    line = advice(sys.platform, [name for name in ELSEWHERE if shutil.which(name)])
    if line:
        print(line, file=sys.stderr)


def installed_stamp() -> str:
    """Return the stamp of the last complete installation; empty if there is none."""
    python = BIN / ("python.exe" if os.name == "nt" else "python")
    return STAMP.read_text().strip() if python.exists() and STAMP.exists() else ""


def usable() -> bool:
    """Return True if .venv has this Python version and a pip."""
    ask = "import sys, pip; print(*sys.version_info[:2], sep='.')"
    try:
        answer = subprocess.run([str(BIN / "python"), "-c", ask], capture_output=True, text=True)
    except OSError:
        return False
    return answer.stdout.strip() == PYTHON


def prepare(*, again: bool, may_use_apt: bool) -> None:
    """Install everything that is not installed; with `again` also if the stamp is up to date."""
    wanted = stamp(ROOT, PYTHON)
    if installed_stamp() == wanted and not again:
        return
    install_system_libraries(may_use_apt=may_use_apt)
    quiet = ["--quiet"]
    if not usable():
        if Path(sys.prefix).resolve() == VENV:
            raise SetupError(
                "dev.py is running inside the .venv that it has to create again. Deactivate it and try again."
            )
        print("Creating .venv. The first time this downloads about 0.5 GB and takes some minutes.", flush=True)
        if sys.platform == "linux":
            print("If pip finds no CPU build of torch, it installs CUDA too: several GB more.", flush=True)
        if subprocess.call([sys.executable, "-m", "venv", "--clear", str(VENV)]) != 0:
            raise SetupError(f"Python could not create {VENV}: see above. Check free space and write permission.")
        quiet = []
    pip = [str(BIN / "python"), "-m", "pip", "install", "--disable-pip-version-check", *quiet]
    if subprocess.call([*pip, "-c", "constraints.txt", "-e", ".[test]"], cwd=ROOT) != 0:
        raise SetupError("pip could not install: see above. Check the network and free space.")
    STAMP.write_text(wanted + "\n")


def become(program: str, *arguments: str) -> int:
    """Replace this process by a program of .venv, so that it gets signals and decides the exit code."""
    command = [str(BIN / program), *arguments]
    if os.name != "nt":  # on Windows exec starts a child that shares the console
        sys.stdout.flush()
        os.execv(command[0], command)
    return subprocess.call(command)


def check() -> int:
    """Run all checks, also after a failure. Return 1 if one has failed."""
    branches = ["--disable-error-code", "unreachable"]  # of the other systems
    others = (
        ["mypy", "--platform", system, "--cache-dir", f".mypy_cache/{system}", *branches]
        for system in ("darwin", "win32")
    )
    commands = (
        *(["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]),
        *([*command, "realtime", "models", "gui", "benchmarks"] for command in others),
        ["lint-imports", "--no-logo"],
    )
    failed = []
    for name, *arguments in commands:
        print(f"$ {' '.join([name, *arguments])}", flush=True)
        if subprocess.call([str(BIN / name), *arguments], cwd=ROOT) != 0:
            failed.append(name)
    print(f"Failed: {', '.join(failed)}" if failed else "All checks passed.")
    return 1 if failed else 0


def wheel() -> int:
    """Build a wheel for every system; return the exit code. Installs a compiler for all of them (zig, 0.1 GB)."""
    python = str(BIN / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return (
        subprocess.call([*install, "-c", "constraints.txt", *BUILD_TOOLS], cwd=ROOT)
        or subprocess.call([python, "-m", "hatchling", "build", "-t", "wheel"], cwd=ROOT)
    )  # fmt: skip


def main(arguments: list[str]) -> int:
    """Run a command of the bootstrap and return its exit code."""
    may_use_apt = "--no-apt" not in arguments
    arguments = [argument for argument in arguments if argument != "--no-apt"]
    command, rest = (arguments[0], arguments[1:]) if arguments else ("help", [])
    if command in ("help", "-h", "--help"):
        print((__doc__ or "").strip())
        return 0
    if command not in ("run", "test", "check", "bench", "wheel", "setup"):
        print(f'Command "{command}" is unknown. Pass run, test, check, bench, wheel or setup.', file=sys.stderr)
        return 2
    problem = python_problem(sys.version_info[:2])
    if problem:
        raise SetupError(problem)
    prepare(again=command == "setup", may_use_apt=may_use_apt)
    if command == "run":
        return become("verdigris", *rest)
    if command == "bench":
        return become("verdigris", "bench", *rest)
    if command == "test":
        os.chdir(ROOT)
        return become("python", "-m", "pytest", "-q", *(rest or ["-n", "logical", "--dist", "worksteal"]))
    if command == "check":
        return check()
    if command == "wheel":
        return wheel()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
