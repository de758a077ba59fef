"""PortAudio through sounddevice. Only this module imports sounddevice, and only when it is needed.

`import sounddevice` fails without a PortAudio library, and it enumerates the devices. Tests,
`render` and the other drivers need neither. PortAudio's device list is a snapshot; `refresh` takes
a new one.
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from typing import Any

from realtime.drivers.driver import DriverError
from realtime.system.platform import jack_library
from realtime.system.platform.machine import SYSTEM
from realtime.system.silence_stderr import suppress_stderr

INSTALL = {
    "linux": "Install it (Debian, Ubuntu: apt-get install libportaudio2; Fedora: portaudio), or pass --driver clock."
}

PREFERRED_API = {"windows": "Windows WASAPI"}  # whose default devices are used; ASIO is used when it is named
LOCK = threading.RLock()  # PortAudio must not be called from two threads at once
_libjack: list[str | None] = []  # path of the JACK library, once it is chosen; None: the system's


class DeviceError(DriverError):
    """Sound card that is not available; the message is one line with a remedy."""


@dataclass(frozen=True)
class Device:
    """One device of PortAudio.

    `name` is stable: host API and name, without numbers that depend on plugging order.
    """

    name: str
    api: str
    index: int  # PortAudio's, until the next refresh
    inputs: int  # channels
    outputs: int
    rate: int  # Hz, its default
    input_default: bool  # of its host API
    output_default: bool
    low_latency: tuple[float, float]  # seconds, input and output, as reported by its host API


def library() -> Any:
    """Return the module sounddevice. Raises DeviceError if there is no PortAudio library."""
    if not _libjack:
        use_libjack(jack_library.choose_library())
    os.environ.setdefault("SD_ENABLE_ASIO", "1")  # the switch of sounddevice's wheel for Windows
    try:
        with suppress_stderr():  # the ALSA and JACK back ends print what they do not find
            import sounddevice
    except OSError as error:
        what = "no PortAudio library" if "not found" in str(error) else f"PortAudio does not load ({error})"
        raise DeviceError(f"{what}: no sound card can be used. {install_advice()}") from error
    return sounddevice


def use_libjack(path: str | None) -> None:
    """Make PortAudio use this JACK library, None for the system's. Only the first call has an effect."""
    with LOCK:
        if not _libjack:
            _libjack.append(path)
            jack_library.load_library(path)


def used_libjack() -> str | None:
    """Return the path of PipeWire's JACK library if PortAudio uses it; None for the system's."""
    return _libjack[0] if _libjack else None


def install_advice() -> str:
    """Return how to install PortAudio on this system."""
    return INSTALL.get(SYSTEM, "Install sounddevice again (its wheel brings PortAudio), or pass --driver clock.")


def refresh() -> None:
    """Make PortAudio enumerate the devices again.

    Call it only while no stream is open: it would be closed.
    """
    with LOCK:
        sd = library()
        sd._terminate()
        sd._initialize()


def list_devices() -> list[Device]:
    """Return all devices as of the last refresh. Raises DeviceError without PortAudio."""
    with LOCK:
        sd = library()
        apis, entries = sd.query_hostapis(), sd.query_devices()
    found: list[Device] = []
    for index, entry in enumerate(entries):
        api = apis[entry["hostapi"]]
        name, used = stable_name(api["name"], entry["name"]), {device.name for device in found}
        if name in used:  # two of a kind are numbered in the system's order
            name = next(f"{name} #{n}" for n in range(2, len(entries) + 2) if f"{name} #{n}" not in used)
        found.append(
            Device(
                name=name,
                api=api["name"],
                index=index,
                inputs=entry["max_input_channels"],
                outputs=entry["max_output_channels"],
                rate=round(entry["default_samplerate"]),
                input_default=api["default_input_device"] == index,
                output_default=api["default_output_device"] == index,
                low_latency=(entry["default_low_input_latency"], entry["default_low_output_latency"]),
            )
        )
    return found


def default_indexes() -> tuple[int, int]:
    """Return the indexes of the system's default input and output; -1 for none.

    PortAudio's own default on Windows is MME, with 0.1 s of latency; WASAPI has the same devices.
    """
    with LOCK:
        sd = library()
        for api in sd.query_hostapis():
            if api["name"] == PREFERRED_API.get(SYSTEM) and api["default_output_device"] >= 0:
                return api["default_input_device"], api["default_output_device"]
        return sd._lib.Pa_GetDefaultInputDevice(), sd._lib.Pa_GetDefaultOutputDevice()


def stable_name(api: str, name: str) -> str:
    """Return a name such as JACK:system, without ALSA's card numbers, which vary."""
    short = {"JACK Audio Connection Kit": "JACK", "Core Audio": "CoreAudio"}.get(api, api.removeprefix("Windows "))
    return f"{short}:{re.sub(r' ?[(]hw:[0-9]+,[0-9]+[)]$', '', name)}"


def supports(device: Device, rate: int, kind: str, channels: int) -> bool:
    """Return True if the device reports that it supports this; `kind` is input or output."""
    with LOCK:
        sd = library()
        check = sd.check_input_settings if kind == "input" else sd.check_output_settings
        try:
            with suppress_stderr():
                check(device=device.index, channels=channels, dtype="float32", samplerate=rate)
        except (sd.PortAudioError, ValueError):
            return False
        return True


RATES = (44_100, 48_000, 88_200, 96_000, 176_400, 192_000)


def supported_rates(device: Device) -> list[int]:
    """Return the usual rates in Hz that a device supports; for JACK the one of its server."""
    kind, count = ("output", min(2, device.outputs)) if device.outputs else ("input", min(2, device.inputs))
    return [rate for rate in RATES if supports(device, rate, kind, count)]
