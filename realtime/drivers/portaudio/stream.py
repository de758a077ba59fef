"""PortAudio streams with compiled callbacks, and one-line explanations of PortAudio's errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from realtime.drivers.portaudio.api import LOCK, RATES, Device, DeviceError, library, supports
from realtime.drivers.portaudio.callback import StateField, StreamState, compile_callback
from realtime.drivers.portaudio.clock_bridge import BridgeField, DriftCompensator, compile_capture
from realtime.system.silence_stderr import suppress_stderr

MAX_LATENCY_S = 1.0  # some back ends report 2**32 / rate seconds; a larger latency counts as unknown
BUSY, BAD_RATE = -9985, -9997  # PaErrorCode


class DeviceStream:
    """An open stream of one device, of two with one clock, or of two with a bridge.

    With a bridge (state.bridge) it consists of two PortAudio streams, one for input and one for
    output.
    """

    def __init__(
        self,
        input_: Device | None,
        output: Device,
        state: StreamState,
        rate: int,
        latency_s: float | None,
        *,
        compiled: bool = True,
    ) -> None:
        """`latency_s` sets the size of the device's buffers; None asks for the smallest.

        Without `compiled` the callback goes through Python. Raises DeviceError.
        """
        self.state = state  # must outlive the stream
        self.compiled = compiled
        self._capture: Any = None
        self._devices = (input_, output)
        self._common = {
            "blocksize": 0,  # the timeline takes any block; a fixed size would add as much latency
            "dtype": "float32",
            "latency": "low" if latency_s is None else latency_s,
            "dither_off": True,  # at full level the samples stay as they are
        }
        with LOCK:
            if state.bridge is not None:
                if input_ is None:
                    raise ValueError("a bridge needs an input device")
                self._capture = self._open_capture(input_, state.bridge)
                input_ = None
            try:
                self._stream = self._open_main(input_, output, rate)
            except BaseException:
                if self._capture:
                    self._capture.close()
                raise
        self.rate: int = round(self._stream.samplerate)

    def _open_capture(self, device: Device, bridge: DriftCompensator) -> Any:
        """Open the input stream of a bridge."""
        rate, channels = bridge[BridgeField.IN_RATE], bridge[BridgeField.INPUTS]
        options = {**self._common, "samplerate": rate, "device": device.index, "channels": channels}
        with _refusals_explained(device, None, rate, (channels, self.state[StateField.OUTPUTS])):
            if self.compiled:
                return _open_compiled("input", compile_capture(), bridge.memory, options)
            return library().InputStream(
                callback=lambda data, size, times, flags: bridge.call_from_python(
                    data, size, times.currentTime, bool(flags.input_overflow)
                ),
                **options,
            )

    def _open_main(self, input_: Device | None, output: Device, rate: int) -> Any:
        """Open the output stream, or a duplex one if there is an input device."""
        state, sd = self.state, library()
        inputs, outputs = state[StateField.INPUTS], state[StateField.OUTPUTS]
        options = {**self._common, "samplerate": rate, "device": output.index, "channels": outputs}
        if input_ is not None:
            options |= {"device": (input_.index, output.index), "channels": (inputs, outputs)}
        with _refusals_explained(input_, output, rate, (inputs, outputs)):
            if self.compiled:
                kind = "output" if input_ is None else "duplex"
                return _open_compiled(kind, compile_callback(state.bridge is not None), state.memory, options)
            if input_ is None:
                return sd.OutputStream(callback=lambda *rest: state.call_from_python(None, *rest), **options)
            return sd.Stream(callback=state.call_from_python, **options)

    def start(self) -> None:
        """Start the stream. Raises DeviceError, after closing it."""
        with LOCK:
            try:
                if self._capture:
                    self._capture.start()
                self._stream.start()
            except library().PortAudioError as error:
                self._close()
                raise DeviceError(f"the card would not start ({error}). Check it with: verdigris devices") from error

    def close(self) -> None:
        """Stop and close the stream, whatever state the device is in."""
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
        """True while all streams run; False once a device or its server is gone."""
        with LOCK:
            return all(stream.active for stream in self._streams)

    @property
    def latency_samples(self) -> int | None:
        """Input plus output latency reported by the back end; None if the value is not plausible.

        The delay of a bridge is not included.
        """
        total = 0.0  # seconds
        for stream in self._streams:
            reported = stream.latency
            seconds = float(sum(reported) if isinstance(reported, tuple) else reported)
            if not 0 <= seconds <= MAX_LATENCY_S:
                return self._jack_latency_samples
            total += seconds
        return round(total * self.rate)

    @property
    def _jack_latency_samples(self) -> int | None:
        """Input plus output latency of the ports of JACK devices; None for others.

        PortAudio subtracts a block from it, which wraps around where PipeWire reports less.
        """
        input_, output = self._devices
        if not output.api.startswith("JACK") or (input_ is not None and input_.api != output.api):
            return None
        seconds = output.low_latency[1] + (input_.low_latency[0] if input_ else 0.0)
        return round(seconds * self.rate)


def _open_compiled(kind: str, callback: Any, memory: npt.NDArray[np.int64], options: dict[str, Any]) -> Any:
    """Open a stream that calls compiled code.

    _StreamBase is sounddevice's documented class for library authors; it takes a C function pointer
    as callback. Raises AttributeError or TypeError if this version cannot do it.
    """
    sd = library()
    return sd._StreamBase(
        kind=kind,
        callback=sd._ffi.cast("PaStreamCallback*", callback.address),
        userdata=sd._ffi.cast("void*", memory.ctypes.data),
        **options,
    )


@contextlib.contextmanager
def _refusals_explained(
    input_: Device | None, output: Device | None, rate: int, channels: tuple[int, int]
) -> Iterator[None]:
    """Raise PortAudio's errors as DeviceError."""
    try:
        with suppress_stderr():  # the ALSA back end prints every failed call
            yield
    except (library().PortAudioError, ValueError) as error:
        raise DeviceError(explain_refusal(error, input_, output, rate, channels)) from error


def explain_refusal(
    error: Exception, input_: Device | None, output: Device | None, rate: int, channels: tuple[int, int]
) -> str:
    """Return one line for PortAudio's error, with a remedy.

    PortAudio may report "invalid device" when only the rate is wrong, so the rates are checked too.
    """
    code = error.args[1] if len(error.args) > 1 else None
    pair = " with ".join(dict.fromkeys(device.name for device in (input_, output) if device))
    if input_ is not None and channels[0] > input_.inputs:
        return f"{input_.name} has {input_.inputs} inputs, not {channels[0]}. Pass lower --input-channels."
    if output is not None and channels[1] > output.outputs:
        return f"{output.name} has {output.outputs} outputs, not {channels[1]}. Pass lower --output-channels."
    able = _common_rates(input_, output, channels)
    if rate not in able and (code == BAD_RATE or able):
        offered = ", ".join(map(str, able)) or "unknown"
        first = next(iter(able), output.rate if output else input_.rate if input_ else rate)
        return f"rate {rate} not offered by {pair} ({offered}). Pass --rate {first}."
    if code == BUSY or "busy" in str(error).lower() or "unavailable" in str(error).lower():
        return f"{pair} is busy: another program holds it. Close that, or choose another of: verdigris devices"
    return f"{pair} could not be opened ({error.args[0]}). Choose another of: verdigris devices"


def _common_rates(input_: Device | None, output: Device | None, channels: tuple[int, int]) -> list[int]:
    """Return the usual rates that all given devices support."""
    return [
        rate
        for rate in RATES
        if (output is None or supports(output, rate, "output", channels[1]))
        and (input_ is None or supports(input_, rate, "input", channels[0]))
    ]
