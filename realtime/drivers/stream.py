"""Streams of PortAudio: opened with compiled callbacks, and every refusal made one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from realtime.drivers.border import Border, Memory, compile_callback
from realtime.drivers.bridge import Memory as BridgeMemory
from realtime.drivers.bridge import compile_capture
from realtime.drivers.portaudio import LOCK, RATES, Card, CardError, library, supports
from realtime.quiet import quiet

UNKNOWN_LATENCY_S = 1.0  # some back ends report 2**32 / rate seconds; what is more than this is no latency
BUSY, BAD_RATE = -9985, -9997  # PaErrorCode


class CardStream:
    """An open stream that calls the border's callback: of one card, or two of one clock, or two with a bridge.

    With a bridge (border.bridge) they are two streams of PortAudio, the input's and the output's.
    """

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
        """`latency` in seconds asks for the size of the card's buffers; None for its lowest. CardError if refused.

        Not `compiled`: the callback goes through Python.
        """
        self.border = border  # must outlive the stream
        self.compiled = compiled
        self._sink = sink
        self._capture: Any = None
        common = {
            "blocksize": 0,  # re-blocking is the timeline's; a fixed size would add as much latency
            "dtype": "float32",
            "latency": "low" if latency is None else latency,
            "dither_off": True,  # at full level, bits are left as they are
        }
        inputs, outputs = border[Memory.INPUTS], border[Memory.OUTPUTS]
        bridge = border.bridge
        with LOCK:
            sd = library()
            if bridge is not None:
                assert source is not None
                inputs, rate_in = bridge[BridgeMemory.INPUTS], bridge[BridgeMemory.IN_RATE]
                options = {**common, "samplerate": rate_in, "device": source.index, "channels": inputs}
                with _explained(source, None, rate_in, (inputs, outputs)):
                    if compiled:
                        self._capture = _compiled("input", compile_capture(), bridge.memory, options)
                    else:
                        self._capture = sd.InputStream(
                            callback=lambda data, size, times, flags: bridge.call(
                                data, size, times.currentTime, bool(flags.input_overflow)
                            ),
                            **options,
                        )
                source = None
            options = {**common, "samplerate": rate, "device": sink.index, "channels": outputs}
            if source is not None:
                options |= {"device": (source.index, sink.index), "channels": (inputs, outputs)}
            try:
                with _explained(source, sink, rate, (inputs, outputs)):
                    if compiled:
                        kind = "output" if source is None else "duplex"
                        callback = compile_callback(bridge is not None)
                        self._stream = _compiled(kind, callback, border.memory, options)
                    elif source is None:
                        self._stream = sd.OutputStream(callback=lambda *rest: border.call(None, *rest), **options)
                    else:
                        self._stream = sd.Stream(callback=border.call, **options)
            except BaseException:
                if self._capture:
                    self._capture.close()
                raise
        self.rate: int = round(self._stream.samplerate)

    def start(self) -> None:
        with LOCK:
            try:
                if self._capture:
                    self._capture.start()
                self._stream.start()
            except library().PortAudioError as error:
                self._close()
                raise CardError(f"the card would not start ({error}). Check it with: verdigris devices") from error

    def close(self) -> None:
        """Stop and close, whatever state the card is in."""
        with LOCK:
            for stream in self._streams:
                stream.abort()
            self._close()

    def _close(self) -> None:
        for stream in self._streams:
            stream.close()

    @property
    def _streams(self) -> list[Any]:
        return [self._stream] + ([self._capture] if self._capture else [])

    @property
    def active(self) -> bool:
        """Whether PortAudio believes that all of it runs; False once a card or its server is gone."""
        with LOCK:
            return all(stream.active for stream in self._streams)

    @property
    def clock(self) -> float:
        """The stream's own time, seconds."""
        with LOCK:
            return float(self._stream.time)

    @property
    def latency_samples(self) -> int | None:
        """The card's own part, in and out, as its back end says; None where what it says cannot be.

        The delay between two clocks comes on top.
        """
        total = 0.0  # seconds
        for stream in self._streams:
            told = stream.latency
            seconds = float(sum(told) if isinstance(told, tuple) else told)
            if not 0 <= seconds <= UNKNOWN_LATENCY_S:
                return None
            total += seconds
        return round(total * self.rate)


def _compiled(kind: str, callback: Any, memory: npt.NDArray[np.int64], options: dict[str, Any]) -> Any:
    """A stream that calls compiled code; AttributeError or TypeError if sounddevice has no place for it."""
    sd = library()
    return sd._StreamBase(
        kind=kind,
        callback=sd._ffi.cast("PaStreamCallback*", callback.address),
        userdata=sd._ffi.cast("void*", memory.ctypes.data),
        **options,
    )


@contextlib.contextmanager
def _explained(source: Card | None, sink: Card | None, rate: int, channels: tuple[int, int]) -> Iterator[None]:
    """PortAudio's refusals within as CardError."""
    try:
        with quiet():  # its ALSA back end tells each line of its code that failed
            yield
    except (library().PortAudioError, ValueError) as error:
        raise CardError(explain(error, source, sink, rate, channels)) from error


def explain(error: Exception, source: Card | None, sink: Card | None, rate: int, channels: tuple[int, int]) -> str:
    """One line for PortAudio's refusal. It may say "invalid device" when it means the rate, so that is tried."""
    code = error.args[1] if len(error.args) > 1 else None
    pair = " with ".join(dict.fromkeys(card.name for card in (source, sink) if card))
    if source is not None and channels[0] > source.inputs:
        return f"{source.name} has {source.inputs} inputs, not {channels[0]}. Pass lower --input-channels."
    if sink is not None and channels[1] > sink.outputs:
        return f"{sink.name} has {sink.outputs} outputs, not {channels[1]}. Pass lower --output-channels."
    able = _supported_by_all(source, sink, channels)
    if rate not in able and (code == BAD_RATE or able):
        offered = ", ".join(map(str, able)) or "unknown"
        first = next(iter(able), sink.rate if sink else source.rate if source else rate)
        return f"rate {rate} not offered by {pair} ({offered}). Pass --rate {first}."
    if code == BUSY or "busy" in str(error).lower() or "unavailable" in str(error).lower():
        return f"{pair} is busy: another program holds it. Close that, or choose another of: verdigris devices"
    return f"{pair} could not be opened ({error.args[0]}). Choose another of: verdigris devices"


def _supported_by_all(source: Card | None, sink: Card | None, channels: tuple[int, int]) -> list[int]:
    """The usual rates at which the cards say that they can."""
    return [
        rate
        for rate in RATES
        if (sink is None or supports(sink, rate, "output", channels[1]))
        and (source is None or supports(source, rate, "input", channels[0]))
    ]
