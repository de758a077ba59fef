"""Examination of this machine: facts for a bug report, and a self-test."""

from __future__ import annotations

import importlib.metadata
import os
import platform

from models.load import catalogue
from realtime.drivers.clock import ClockDriver, Silence
from realtime.drivers.portaudio.api import DeviceError, list_devices
from realtime.drivers.portaudio.probe import COMPILED
from realtime.engine.engine_settings import Settings
from realtime.engine.start import start_engine
from realtime.system.platform import diagnosis
from realtime.timeline.layout import runtime_directory
from realtime.worker import compute_history

PACKAGES = ("numpy", "numba", "torch", "av", "soundfile", "sounddevice", "pyo", "PySide6-Essentials")
SELF_TEST_S = 5.0


def examine() -> dict[str, str]:
    """Return the findings as text by name."""
    return {
        "verdigris": _version("verdigris"),
        "python": f"{platform.python_version()} on {diagnosis.description()}",
        "processor": f"{os.cpu_count()} cores, {platform.machine()}, governor {diagnosis.governor()}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
        "codecs": ", ".join(str(row["name"]) for row in catalogue()),
        "portaudio": diagnosis.portaudio_place() or "missing: install libportaudio2 for sound cards",
        "sound cards": _cards(),
        **({"microphone": advice} if (advice := diagnosis.microphone_advice()) else {}),
        "realtime priority": diagnosis.realtime_priority(),
        "compute seen": _compute_seen(),
        "runtime directory": str(runtime_directory()),
        "callback": COMPILED,
        "self-test": self_test(),
    }


def self_test(seconds: float = SELF_TEST_S) -> str:
    """Play silence through pcm in both slots by the clock, with a worker process; return the
    result.
    """
    settings = Settings(rate=48_000, block=256, slot_a=("pcm", None), slot_b=("pcm", None))
    engine = start_engine(settings)
    try:
        driver = ClockDriver(engine.host, Silence(), settings.block, limit=int(seconds * settings.rate))
        driver.start()
        while driver.running:
            engine.supervise()
            driver.join(0.05)
        engine.stop()
        missed = engine.dropouts()
        load = engine.snapshot().load
    finally:
        engine.close()
    verdict = "passed" if not sum(missed.values()) else "this machine was too busy"
    counts = ", ".join(f"{kind} {count}" for kind, count in missed.items())
    facts = f"{seconds:.0f} s at 256 samples, latency {engine.plan.latency}, {load[2]:.3f} × RT at worst"
    return f"{verdict}: {facts}, dropouts: {counts}"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _cards() -> str:
    try:
        return ", ".join(card.name for card in list_devices()) or "none"
    except DeviceError as error:
        return str(error)


def _compute_seen() -> str:
    """Return the compute times stored by earlier sessions, which the next one plans with."""
    seen = ", ".join(f"{codec} {1000 * seconds:.1f} ms a frame" for codec, seconds in compute_history.load().items())
    return f"{seen} (verdigris doctor --forget deletes them)" if seen else "nothing yet"
