"""Compilation of the plug-in: one library that is both LV2 and CLAP, for this system or for all.

`binaries/TARGET/` holds an LV2 bundle and a CLAP plug-in, as a wheel carries them or as the compiler
of this machine has made them. Imports the standard library only, because the wheel build runs it
before anything is installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from realtime.system.platform.machine import SYSTEM, architecture

HERE = Path(__file__).parent
NATIVE = HERE / "native"
BUNDLE = HERE / "bundle"  # descriptions of the LV2 bundle
BINARIES = HERE / "binaries"
LV2, CLAP = "verdigris.lv2", "verdigris.clap"
COMMON = ("playout.c", "insert.c", "lv2.c", "clap.c")
# no contraction of a * b + c: samples must agree to the bit on every machine
FLAGS = (
    "-std=c11",
    "-O3",
    "-ffp-contract=off",
    "-shared",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
)
POSIX_FLAGS = ("-D_GNU_SOURCE", "-fPIC")
WINDOWS_FLAGS = ("-D__USE_MINGW_ANSI_STDIO=1",)  # %lld
EXTENSIONS = {"windows": "dll", "macos": "dylib"}
INFO = """<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict>
<key>CFBundleExecutable</key><string>verdigris</string>
<key>CFBundleIdentifier</key><string>verdigris.insert</string>
<key>CFBundleName</key><string>Verdigris</string>
<key>CFBundlePackageType</key><string>BNDL</string>
<key>CFBundleVersion</key><string>1</string>
</dict></plist>
"""


@dataclass(frozen=True)
class Target:
    """System and processor that the plug-in is compiled for."""

    system: str  # linux, windows or macos
    processor: str  # x86_64 or arm64
    triple: str = ""  # of zig; empty: only the compiler of that machine can

    @property
    def name(self) -> str:
        """Name of its folder in `binaries`."""
        return f"{self.system}-{self.processor}"

    @property
    def library(self) -> str:
        """File name of the library in the LV2 bundle."""
        return f"insert.{EXTENSIONS.get(self.system, 'so')}"

    def lv2(self) -> Path:
        """Return the LV2 bundle."""
        return BINARIES / self.name / LV2

    def clap(self) -> Path:
        """Return the CLAP plug-in: a file, on macOS a bundle."""
        return BINARIES / self.name / CLAP

    def is_current(self) -> bool:
        """Return True if it has been compiled from the present sources."""
        try:
            return (BINARIES / self.name / "sources").read_text(encoding="ascii") == sources_hash()
        except OSError:
            return False


TARGETS = (  # of a wheel for every system
    Target("linux", "x86_64", "x86_64-linux-gnu.2.17"),
    Target("linux", "arm64", "aarch64-linux-gnu.2.17"),
    Target("windows", "x86_64", "x86_64-windows-gnu"),
    Target("macos", "x86_64", "x86_64-macos.11.0-none"),
    Target("macos", "arm64", "aarch64-macos.11.0-none"),
)


class CompilerError(Exception):
    """C compiler that is missing or fails; the message gives the remedy."""


def target_here() -> Target:
    """Return the target that this machine is."""
    mine = Target(SYSTEM, architecture())
    return next((target for target in TARGETS if target.name == mine.name), mine)


def sources_hash() -> str:
    """Return a digest of the C sources and of the LV2 descriptions."""
    files = sorted([*NATIVE.glob("*.[ch]"), *BUNDLE.glob("*.ttl")])
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def compiler() -> list[str] | None:
    """Return the environment's CC, with its arguments, else the first of cc, gcc and clang; None if there is none."""
    given = os.environ.get("CC")
    if given:
        return [given] if shutil.which(given) else given.split()
    found = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    return [found] if found else None


def has_zig() -> bool:
    """Return True if the compiler for every system is installed (the extra `build`)."""
    return importlib.util.find_spec("ziglang") is not None


def compile_all() -> None:
    """Compile the plug-in for every system, by zig. Raises CompilerError."""
    for target in TARGETS:
        if not target.is_current():
            make(target, [sys.executable, "-m", "ziglang", "cc", "-target", target.triple])


def compile_here() -> None:
    """Compile the plug-in for this system, by its own compiler. Raises CompilerError."""
    found = compiler()
    if found is None:
        raise CompilerError("no C compiler found: install gcc or clang, then run verdigris plugin install")
    make(target_here(), found)


def make(target: Target, command: list[str]) -> None:
    """Compile and put together the folder of a target. Raises CompilerError."""
    folder = BINARIES / target.name
    bundle, clap = target.lv2(), target.clap()
    bundle.mkdir(parents=True, exist_ok=True)
    library = run_compiler(command, bundle / target.library, target.system)
    for source in BUNDLE.glob("*.ttl"):
        text = source.read_text(encoding="utf-8").replace("<insert.so>", f"<{target.library}>")
        (bundle / source.name).write_text(text, encoding="utf-8", newline="\n")
    if target.system == "macos":
        executable = clap / "Contents" / "MacOS" / "verdigris"
        executable.parent.mkdir(parents=True, exist_ok=True)
        (clap / "Contents" / "Info.plist").write_text(INFO, encoding="utf-8", newline="\n")
        shutil.copyfile(library, executable)
    else:
        replace(library, clap)
    (folder / "sources").write_text(sources_hash(), encoding="ascii")


def replace(source: Path, target: Path) -> None:
    """Copy a file over one that a host may have loaded: the old file stays for that host."""
    working = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, working)
    working.replace(target)


def compile_library(target: Path, *flags: str) -> Path:
    """Compile the library for this system to `target` and return it.

    `flags` follow the default ones and prevail. Raises CompilerError.
    """
    found = compiler()
    if found is None:
        raise CompilerError("no C compiler found: install gcc or clang, then run verdigris plugin install")
    return run_compiler(found, target, SYSTEM, *flags)


def run_compiler(command: list[str], target: Path, system: str, *flags: str) -> Path:
    """Compile the library for a system by this compiler. Raises CompilerError."""
    windows = system == "windows"
    sources = (*COMMON, "system_windows.c" if windows else "system_posix.c")
    flags = (*FLAGS, *(WINDOWS_FLAGS if windows else POSIX_FLAGS), *flags)
    links = ("-ladvapi32", "-s") if windows else ("-lm",)
    # a folder of its own: never overwrite a library that a host has loaded; zig writes more files beside a DLL
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as place:
        made = Path(place) / target.name
        line = [*command, *flags, *(str(NATIVE / name) for name in sources), "-o", str(made), *links]
        try:
            done = subprocess.run(line, capture_output=True, text=True)
        except OSError as error:
            raise CompilerError(f"{command[0]} cannot be run ({error.strerror}): install gcc or clang") from error
        if done.returncode != 0:
            raise CompilerError(f"{command[0]} cannot compile the plug-in: {_reason(done.stderr)}")
        made.replace(target)
    return target


def _reason(stderr: str) -> str:
    lines = stderr.strip().splitlines() or ["it gives no reason"]
    return next((line for line in lines if "error" in line), lines[0])
