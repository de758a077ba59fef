"""Selection of sound cards: by name, last choice, JACK server or system default.

A user who names a device gets that one or an error, never another one: a sudden change to
loudspeakers does harm. One that was only remembered is replaced by the default, and announced.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from realtime.drivers.portaudio.api import Device, DeviceError, default_indexes, list_devices
from realtime.system.user_config import load_json, update_json

FILE = "cards.json"
SYSTEM_DEFAULT = "the system's default"
BUSY_HINT = "A card that another program holds is not seen: close that program."  # PortAudio omits it
DEFAULT = "default"  # name for the system's device


@dataclass(frozen=True)
class DeviceChoice:
    """Devices by stable name, or DEFAULT for the system's; None: not chosen."""

    input: str | None = None
    output: str | None = None


@dataclass(frozen=True)
class DevicePair:
    """Input and output device to open; without an input, output only."""

    input: Device | None
    output: Device
    selection_reason: str  # in words

    @property
    def name(self) -> str:
        """Name of the device, or of both with an arrow."""
        if self.input is None or self.input.name == self.output.name:
            return self.output.name
        return f"{self.input.name} → {self.output.name}"

    @property
    def two_clocks(self) -> bool:
        """True if input and output have separate clocks. All devices of a JACK server share one."""
        if self.input is None or self.input.name == self.output.name:
            return False
        return not (self.input.api == self.output.api and self.output.api.startswith("JACK"))


def choose_devices(given: DeviceChoice, *, duplex: bool = True, devices: Sequence[Device] | None = None) -> DevicePair:
    """Return the devices given by the user, else the stored choice if it is there, else the default
    ones; `selection_reason` says that a stored choice is not there.

    `devices` defaults to all. Raises DeviceError if there is no such device.
    """
    found = list_devices() if devices is None else devices
    if not found:
        raise DeviceError(
            "no sound card: PortAudio sees none. Plug one in or start a JACK server (verdigris devices shows what is "
            f"there), or pass --driver clock. {BUSY_HINT}"
        )
    stored, reason = DeviceChoice(), SYSTEM_DEFAULT
    if given.input or given.output:
        reason = "as given"
    elif _jack(found):
        reason = "the JACK server of the environment"
    else:
        stored = load_choice()
        if stored != DeviceChoice():
            reason = "as last time"
    try:
        return _pair(given.output or stored.output, given.input or stored.input, found, duplex, reason)
    except DeviceError:
        if stored == DeviceChoice():
            raise
    # devices that were only remembered, and not all of them are there
    remembered = ", ".join(dict.fromkeys(name for name in (stored.output, stored.input) if name))
    return _pair(None, None, found, duplex, f"{SYSTEM_DEFAULT}, as {remembered} of last time is not there")


def _pair(output: str | None, input_: str | None, found: Sequence[Device], duplex: bool, reason: str) -> DevicePair:
    chosen = _pick(output, found, "output")
    return DevicePair(_pick(input_, found, "input", like=chosen) if duplex else None, chosen, reason)


def _pick(name: str | None, found: Sequence[Device], kind: str, like: Device | None = None) -> Device:
    """Return the device of that name, else the default one; `like` is preferred."""
    if name is not None and name != DEFAULT:
        return find_device(name, found, kind)
    usable = with_channels(found, kind)
    if not usable:
        raise DeviceError(
            f"no {kind}: none of the cards ({_names(found)}) has {kind} channels. "
            + ("Play a file: --input FILE." if kind == "input" else "Plug in one that has.")
        )
    if like is not None and name is None:
        usable = [device for device in usable if device.api == like.api] or usable
        if like in usable and not like.output_default:
            return like
    jack = [device for device in usable if device.api.startswith("JACK")]
    if jack and "JACK_DEFAULT_SERVER" in os.environ and (like is None or like.api == jack[0].api):
        return jack[0]
    index = default_indexes()[kind == "output"]
    by_system = [device for device in usable if device.index == index]
    by_api = [device for device in usable if (device.output_default if kind == "output" else device.input_default)]
    return (by_system or by_api or usable)[0]


def find_device(name: str, found: Sequence[Device], kind: str) -> Device:
    """Return the device with that stable name, or the only one whose name contains it.

    Raises DeviceError.
    """
    wanted, usable = name.casefold(), with_channels(found, kind)
    for matches in (
        [device for device in usable if device.name == name],
        [device for device in usable if wanted in (device.name.casefold(), device.name.partition(":")[2].casefold())],
        [device for device in usable if wanted in device.name.casefold()],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise DeviceError(f'{kind} "{name}" may be {_names(matches)}. Pass one of these whole.')
    anyway = [device for device in found if wanted in device.name.casefold()]
    if anyway:
        raise DeviceError(
            f"{anyway[0].name} has no {kind} channels; these have: {_names(usable) or 'none'}. "
            + ("Pass one of them, or play a file: --input FILE." if kind == "input" else "Pass one of them.")
        )
    raise DeviceError(
        f'no {kind} "{name}"; there are: {_names(usable) or "none"}. Plug it in or pass one of these. {BUSY_HINT}'
    )


def with_channels(found: Sequence[Device], kind: str) -> list[Device]:
    """Return the devices that have channels of this kind, input or output."""
    return [device for device in found if (device.inputs if kind == "input" else device.outputs)]


def _jack(found: Sequence[Device]) -> bool:
    return "JACK_DEFAULT_SERVER" in os.environ and any(device.api.startswith("JACK") for device in found)


def _names(found: Sequence[Device]) -> str:
    return ", ".join(device.name for device in found)


def load_choice() -> DeviceChoice:
    """Return the stored choice; an empty one if it cannot be read."""
    stored = load_json(FILE, _is_entry)
    return DeviceChoice(stored.get("input"), stored.get("output"))


def store_choice(choice: DeviceChoice) -> None:
    """Store a choice for the next start. A home that cannot be written is ignored."""
    update_json(FILE, lambda stored: {**stored, "input": choice.input, "output": choice.output}, _is_entry)


def load_round_trip(device: str, rate: int, block: int) -> int | None:
    """Return the round trip in samples that `doctor --loopback` last measured, if any."""
    samples = load_json(FILE, _is_entry).get("round_trips", {}).get(f"{device}, {rate} Hz, {block}")
    return samples if isinstance(samples, int) else None


def store_round_trip(device: str, rate: int, block: int, samples: int) -> None:
    """Store a measured round trip for `load_round_trip`."""
    measured = {f"{device}, {rate} Hz, {block}": samples}
    update_json(
        FILE, lambda stored: {**stored, "round_trips": {**stored.get("round_trips", {}), **measured}}, _is_entry
    )


def _is_entry(name: str, value: Any) -> bool:
    if name in ("input", "output"):
        return value is None or isinstance(value, str)
    return name != "round_trips" or isinstance(value, dict)
