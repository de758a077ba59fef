"""PortAudio, through sounddevice: the only module that imports it, and not before it is asked for.

`import sounddevice` fails where there is no PortAudio library, and takes stock of the cards; tests, `render` and the
other drivers need neither. PortAudio's list of cards is a picture of the moment: `refresh` takes another.
"""

from __future__ import annotations

import re
import sys
import threading
from dataclasses import dataclass
from typing import Any

from realtime.quiet import quiet

INSTALL = {
    "linux": "Install it (Debian, Ubuntu: apt-get install libportaudio2; Fedora: portaudio), or pass --driver clock."
}

LOCK = threading.RLock()  # PortAudio's calls are not to be made from two threads at once


class CardError(Exception):
    """A sound card that cannot be had; one line: what was asked for, what there is, what to do."""


@dataclass(frozen=True)
class Card:
    """A device of PortAudio. `name` is stable: host API and name, without numbers that change with the plugging."""

    name: str
    api: str
    index: int  # until the next refresh
    inputs: int
    outputs: int
    rate: int  # Hz, its default
    input_default: bool  # of its host API
    output_default: bool
    low_latency: tuple[float, float]  # seconds, input and output, as its host API says


def library() -> Any:
    """sounddevice; CardError where there is no PortAudio."""
    try:
        import sounddevice
    except OSError as error:
        what = "no PortAudio library" if "not found" in str(error) else f"PortAudio does not load ({error})"
        raise CardError(f"{what}: no sound card can be used. {install_advice()}") from error
    return sounddevice


def install_advice() -> str:
    return INSTALL.get(sys.platform, "Install sounddevice again (its wheel brings PortAudio), or pass --driver clock.")


def refresh() -> None:
    """Let PortAudio look again which cards there are. Only while no stream is open: it would be closed."""
    with LOCK:
        sd = library()
        sd._terminate()
        sd._initialize()


def cards() -> list[Card]:
    """All cards as of the last refresh; CardError where there is no PortAudio."""
    with LOCK:
        sd = library()
        apis, devices = sd.query_hostapis(), sd.query_devices()
    found: list[Card] = []
    for index, device in enumerate(devices):
        api = apis[device["hostapi"]]
        name, taken = stable_name(api["name"], device["name"]), {card.name for card in found}
        if name in taken:  # two of a kind: in the order of the system
            name = next(f"{name} #{n}" for n in range(2, len(devices) + 2) if f"{name} #{n}" not in taken)
        found.append(
            Card(
                name=name,
                api=api["name"],
                index=index,
                inputs=device["max_input_channels"],
                outputs=device["max_output_channels"],
                rate=round(device["default_samplerate"]),
                input_default=api["default_input_device"] == index,
                output_default=api["default_output_device"] == index,
                low_latency=(device["default_low_input_latency"], device["default_low_output_latency"]),
            )
        )
    return found


def defaults() -> tuple[int, int]:
    """Indexes of the system's default input and output; -1 for none."""
    with LOCK:
        sd = library()
        return sd._lib.Pa_GetDefaultInputDevice(), sd._lib.Pa_GetDefaultOutputDevice()


def stable_name(api: str, name: str) -> str:
    """Such as JACK:system: short host API, and the name without ALSA's card numbers (they follow the plugging)."""
    short = {"JACK Audio Connection Kit": "JACK", "Core Audio": "CoreAudio"}.get(api, api.removeprefix("Windows "))
    return f"{short}:{re.sub(r' ?[(]hw:[0-9]+,[0-9]+[)]$', '', name)}"


def supports(card: Card, rate: int, kind: str, channels: int) -> bool:
    """Whether it says that it can; `kind` is input or output."""
    with LOCK:
        sd = library()
        check = sd.check_input_settings if kind == "input" else sd.check_output_settings
        try:
            with quiet():
                check(device=card.index, channels=channels, dtype="float32", samplerate=rate)
        except (sd.PortAudioError, ValueError):
            return False
        return True


RATES = (44_100, 48_000, 88_200, 96_000, 176_400, 192_000)


def rates(card: Card) -> list[int]:
    """The usual rates that a card says it can run at; for JACK and the like the one of its server."""
    kind, count = ("output", min(2, card.outputs)) if card.outputs else ("input", min(2, card.inputs))
    return [rate for rate in RATES if supports(card, rate, kind, count)]
