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

from realtime.drivers.border import Border, Memory, compile_callback

INSTALL = {
    "linux": "Install it (Debian, Ubuntu: apt-get install libportaudio2; Fedora: portaudio), or pass --driver clock."
}
UNKNOWN_LATENCY_S = 1.0  # some back ends report 2**32 / rate seconds; what is more than this is no latency
# PaErrorCode
BUSY, BAD_RATE, BAD_DEVICE, BAD_CHANNELS = -9985, -9997, -9996, -9998

_lock = threading.RLock()  # PortAudio's calls are not to be made from two threads at once


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
    with _lock:
        sd = library()
        sd._terminate()
        sd._initialize()


def cards() -> list[Card]:
    """All cards as of the last refresh; CardError where there is no PortAudio."""
    with _lock:
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
    with _lock:
        sd = library()
        return sd._lib.Pa_GetDefaultInputDevice(), sd._lib.Pa_GetDefaultOutputDevice()


def stable_name(api: str, name: str) -> str:
    """Such as JACK:system: short host API, and the name without ALSA's card numbers (they follow the plugging)."""
    short = {"JACK Audio Connection Kit": "JACK", "Core Audio": "CoreAudio"}.get(api, api.removeprefix("Windows "))
    return f"{short}:{re.sub(r' ?[(]hw:[0-9]+,[0-9]+[)]$', '', name)}"


def supports(card: Card, rate: int, kind: str, channels: int) -> bool:
    """Whether it says that it can; `kind` is input or output."""
    with _lock:
        sd = library()
        check = sd.check_input_settings if kind == "input" else sd.check_output_settings
        try:
            check(device=card.index, channels=channels, dtype="float32", samplerate=rate)
        except (sd.PortAudioError, ValueError):
            return False
        return True


class CardStream:
    """An open stream of one or two cards of one host API that calls the border's callback. CardError if refused."""

    def __init__(
        self,
        source: Card | None,
        sink: Card,
        border: Border,
        rate: int,
        latency: float | None,
        *,
        compiled: bool = True,
    ) -> None:
        """`latency` in seconds asks for the size of the card's buffers; None for its lowest.

        Not `compiled`: the callback goes through Python.
        """
        self.border = border  # must outlive the stream
        self._callback = compile_callback()
        self.compiled = compiled
        inputs, outputs = border[Memory.INPUTS], border[Memory.OUTPUTS]
        with _lock:
            sd = library()
            common = {
                "samplerate": rate,
                "blocksize": 0,  # re-blocking is the timeline's; a fixed size would add as much latency
                "dtype": "float32",
                "latency": "low" if latency is None else latency,
                "dither_off": True,  # at full level, bits are left as they are
            }
            if source is None:
                common |= {"device": sink.index, "channels": outputs}
            else:
                common |= {"device": (source.index, sink.index), "channels": (inputs, outputs)}
            try:
                if compiled:
                    self._stream = sd._StreamBase(
                        kind="output" if source is None else "duplex",
                        callback=sd._ffi.cast("PaStreamCallback*", self._callback.address),
                        userdata=sd._ffi.cast("void*", border.memory.ctypes.data),
                        **common,
                    )
                elif source is None:
                    self._stream = sd.OutputStream(callback=lambda *rest: border.call(None, *rest), **common)
                else:
                    self._stream = sd.Stream(callback=border.call, **common)
            except (sd.PortAudioError, ValueError) as error:
                raise CardError(explain(error, source, sink, rate, (inputs, outputs))) from error
        self.rate = round(self._stream.samplerate)

    def start(self) -> None:
        with _lock:
            try:
                self._stream.start()
            except library().PortAudioError as error:
                self._stream.close()
                raise CardError(f"the card would not start ({error}). Check it with: verdigris devices") from error

    def close(self) -> None:
        """Stop and close, whatever state the card is in."""
        with _lock:
            self._stream.abort()
            self._stream.close()

    @property
    def active(self) -> bool:
        """Whether PortAudio believes that it runs; False once the card or its server is gone."""
        with _lock:
            return bool(self._stream.active)

    @property
    def clock(self) -> float:
        """The stream's own time, seconds."""
        with _lock:
            return float(self._stream.time)

    @property
    def latency_samples(self) -> int | None:
        """The card's own part, in and out, as its back end says; None where what it says cannot be."""
        told = self._stream.latency
        seconds = sum(told) if isinstance(told, tuple) else told
        return round(seconds * self.rate) if 0 <= seconds <= UNKNOWN_LATENCY_S else None


def explain(error: Exception, source: Card | None, sink: Card, rate: int, channels: tuple[int, int]) -> str:
    """One line for PortAudio's refusal. It may say "invalid device" when it means the rate, so that is tried."""
    code = error.args[1] if len(error.args) > 1 else None
    pair = sink.name if source is None or source.name == sink.name else f"{source.name} with {sink.name}"
    if source is not None and channels[0] > source.inputs:
        return f"{source.name} has {source.inputs} inputs, not {channels[0]}. Pass lower --input-channels."
    if channels[1] > sink.outputs:
        return f"{sink.name} has {sink.outputs} outputs, not {channels[1]}. Pass lower --output-channels."
    able = _supported_by_both(source, sink, channels)
    if rate not in able and (code == BAD_RATE or able):
        offered = ", ".join(map(str, able)) or "unknown"
        first = able[0] if able else sink.rate
        return f"rate {rate} not offered by {pair} ({offered}). Pass --rate {first}."
    if code == BUSY or "busy" in str(error).lower() or "unavailable" in str(error).lower():
        return f"{pair} is busy: another program holds it. Close that, or choose another of: verdigris devices"
    return f"{pair} could not be opened ({error.args[0]}). Choose another of: verdigris devices"


RATES = (44_100, 48_000, 88_200, 96_000, 176_400, 192_000)


def _supported_by_both(source: Card | None, sink: Card, channels: tuple[int, int]) -> list[int]:
    """The usual rates at which the cards say that they can."""
    return [
        rate
        for rate in RATES
        if supports(sink, rate, "output", channels[1])
        and (source is None or supports(source, rate, "input", channels[0]))
    ]


def rates(card: Card) -> list[int]:
    """The usual rates that a card says it can run at; for JACK and the like the one of its server."""
    kind, count = ("output", min(2, card.outputs)) if card.outputs else ("input", min(2, card.inputs))
    return [rate for rate in RATES if supports(card, rate, kind, count)]
