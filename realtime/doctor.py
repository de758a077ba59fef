"""A look at the machine: what a bug report needs, and whether the instrument can play here."""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import os
import platform
import sys
from pathlib import Path

from models.load import available
from realtime.drivers.clock import ClockDriver, Silence
from realtime.drivers.opening import COMPILED
from realtime.drivers.portaudio import CardError, cards
from realtime.engine import Engine, Settings
from realtime.seen import MOST, recall
from realtime.timeline import runtime_directory

PACKAGES = ("numpy", "numba", "torch", "av", "soundfile", "sounddevice", "pyo", "python-osc", "PySide6-Essentials")
SELF_TEST_S = 5.0


def examine() -> dict[str, str]:
    """What was found, in words, by name."""
    return {
        "verdigris": _version("verdigris"),
        "python": f"{platform.python_version()} on {platform.platform()}",
        "processor": f"{os.cpu_count()} cores, {platform.machine()}, governor {_governor()}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "codecs": ", ".join(spec.name for spec in available()),
        "portaudio": _portaudio(),
        "sound cards": _cards(),
        "realtime priority": _realtime_priority(),
        "compute seen": _compute_seen(),
        "runtime directory": str(runtime_directory()),
        "callback": COMPILED,
        "self-test": self_test(),
    }


def self_test(seconds: float = SELF_TEST_S) -> str:
    """Play silence through pcm in both slots by the clock, with the worker in its own process."""
    settings = Settings(rate=48_000, block=256, a=("pcm", None), b=("pcm", None))
    engine = Engine(settings)
    try:
        engine.start()
        driver = ClockDriver(engine.host, Silence(), settings.block, limit=int(seconds * settings.rate))
        driver.start()
        while driver.running:
            engine.watch()
            driver.join(0.05)
        engine.stop()
        missed = engine.misses()
        load = engine.snapshot().load
    finally:
        engine.close()
    verdict = "passed" if not sum(missed.values()) else "this machine was too busy"
    counts = ", ".join(f"{kind} {count}" for kind, count in missed.items())
    facts = f"{seconds:.0f} s at 256 samples, latency {engine.plan.latency}, {load[2]:.3f} × RT at worst"
    return f"{verdict}: {facts}, misses {counts}"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _governor() -> str:
    try:
        return Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return "unknown"


def _portaudio() -> str:
    if sys.platform != "linux":
        return "bundled with sounddevice"
    return ctypes.util.find_library("portaudio") or "missing: install libportaudio2 for sound cards"


def _cards() -> str:
    try:
        return ", ".join(card.name for card in cards()) or "none"
    except CardError as error:
        return str(error)


def _compute_seen() -> str:
    """What earlier sessions took, which the next one plans with."""
    seen = ", ".join(f"{codec} {1000 * seconds:.1f} ms a frame" for codec, seconds in recall().items())
    return f"{seen} (never less than the warm-up, at most {MOST:.0f} times that)" if seen else "nothing yet"


def _realtime_priority() -> str:
    if sys.platform == "win32":
        return "by the system"
    import resource

    if os.geteuid() == 0:
        return "allowed (root)"
    soft, _ = resource.getrlimit(resource.RLIMIT_RTPRIO) if sys.platform == "linux" else (0, 0)
    return f"up to {soft}" if soft else "none: add yourself to the audio group for steadier playing"
