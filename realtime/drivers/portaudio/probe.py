"""Configuration and probe of a sound card: devices, rate, channels, real block size.

Runs in the device's process (process.py) and in `verdigris doctor`.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from realtime.drivers.portaudio.api import DeviceError, supports, used_libjack
from realtime.drivers.portaudio.callback import StateField, StreamState
from realtime.drivers.portaudio.clock_bridge import DriftCompensator
from realtime.drivers.portaudio.selection import DeviceChoice, DevicePair, choose_devices, load_round_trip
from realtime.drivers.portaudio.stream import DeviceStream
from realtime.timeline.playout import Playout

PROBE_BLOCKS = 8
PROBE_S = 5.0
WATCH_S = 1.0  # observation of two clocks after both have settled
COMPILED = "numba, in a process of its own"


def callback_kind(compiled: bool, own_process: bool) -> str:
    """Describe the callback, and the consequence if it is not the best kind."""
    code = "numba" if compiled else "Python, since this sounddevice takes no compiled one: expect more dropouts"
    if own_process:
        return f"{code}, in a process of its own"
    return f"{code}, in the session's own process, since no other could be started: it goes down with its sound system"


@dataclass(frozen=True)
class DeviceRequest:
    """The user's choices.

    Channels count from 1, one or two of them: left and right; None: the first two.
    """

    choice: DeviceChoice
    codec_rate: int  # Hz; used without `rate` if the device supports it
    rate: int | None = None  # Hz
    block: int | None = None  # samples that the device's buffers should hold; None: as few as possible
    inputs: tuple[int, ...] | None = None
    outputs: tuple[int, ...] | None = None
    compiled: bool = True  # False: the callback goes through Python
    feed: Path | None = None  # file to play instead of the device's input


@dataclass(frozen=True)
class StreamConfig:
    """Parameters for opening the stream, also after a lost device has returned."""

    pair: DevicePair
    rate: int  # Hz
    latency_s: float | None  # requested of the device's buffers; None: its lowest
    inputs: tuple[int, int] | None  # the device's left and right channels, from 0
    outputs: tuple[int, int]
    compiled: bool = True
    rate_in: int = 0  # Hz, of an input device with a clock of its own
    delay: int = 0  # of a bridge, input samples; 0: not known yet

    def stream_state(self, playout: Playout | None = None) -> StreamState:
        """Return new memory for a stream, with a bridge if there are two clocks."""
        if self.inputs is None or not self.pair.two_clocks:
            return StreamState(self.inputs, self.outputs, playout)
        bridge = DriftCompensator(self.inputs, self.rate_in, self.rate, self.delay, time.perf_counter_ns())
        return StreamState(None, self.outputs, playout, bridge)


@dataclass(frozen=True)
class DeviceInfo:
    """Result of a probe."""

    name: str
    input: str
    output: str
    selection_reason: str
    rate: int  # Hz
    block: int  # samples, the largest that the device handed over
    latency_samples: int | None  # input plus output, as reported by the back end; None: not plausible
    measured_samples: int | None  # round trip measured by doctor --loopback; None: never measured
    callback: str = COMPILED
    bridge_delay: int = 0  # input samples that the bridge between two clocks holds; 0: there is one clock
    bridge_samples: int = 0  # what the bridge adds to latency_samples
    drift_ppm: float = 0.0  # of the input's clock during the probe
    libjack: str | None = None  # path of PipeWire's, if that was used; None: the system's

    def __str__(self) -> str:
        own = "unknown" if self.latency_samples is None else f"{self._duration(self.latency_samples)} as reported"
        if self.measured_samples is None:
            own += " (verdigris doctor --loopback measures it)"
        else:
            own += f", {self._duration(self.measured_samples)} measured"
        if self.bridge_delay:
            own += f", and {self._duration(self.bridge_samples)} between two clocks (input {self.drift_ppm:+.0f} ppm)"
        about = f"{self.name} ({self.selection_reason}): {self.rate} Hz, blocks of {self.block}"
        line = f"{about}; its own latency on top: {own}"
        return line if self.callback == COMPILED else f"{line}. Callback: {self.callback}"

    def _duration(self, samples: int) -> str:
        return f"{samples} samples ({1000 * samples / self.rate:.1f} ms)"


def resolve_config(request: DeviceRequest) -> StreamConfig:
    """Choose devices, channels and rate: the requested one, the codec's or the device's.

    Raises DeviceError.
    """
    pair = choose_devices(request.choice, duplex=request.feed is None)
    input_, output = pair.input, pair.output
    inputs = None if input_ is None else _channels(request.inputs, input_.name, input_.inputs, "input")
    outputs = _channels(request.outputs, output.name, output.outputs, "output")
    rate, rate_in = request.rate, 0
    if rate is None:
        able = supports(output, request.codec_rate, "output", max(outputs) + 1)
        if input_ is not None and inputs is not None and not pair.two_clocks:
            able = able and supports(input_, request.codec_rate, "input", max(inputs) + 1)
        rate = request.codec_rate if able else output.rate
    if input_ is not None and inputs is not None and pair.two_clocks:
        rate_in = rate if supports(input_, rate, "input", max(inputs) + 1) else input_.rate
    latency_s = None if request.block is None else request.block / rate
    return StreamConfig(pair, rate, latency_s, inputs, outputs, request.compiled, rate_in)


def _channels(chosen: Sequence[int] | None, name: str, count: int, kind: str) -> tuple[int, int]:
    left, right = (chosen[0], chosen[-1]) if chosen else (1, min(2, count))
    if not 1 <= left <= count or not 1 <= right <= count:
        raise DeviceError(
            f"{kind} channels {left},{right} of {name}: it has 1 to {count}. Pass --{kind}-channels within that."
        )
    return left - 1, right - 1


def open_stream(config: StreamConfig, state: StreamState) -> DeviceStream:
    """Open a stream with the compiled callback, or through Python if sounddevice takes none.

    Raises DeviceError.
    """
    pair = config.pair
    if config.compiled:
        try:
            return DeviceStream(pair.input, pair.output, state, config.rate, config.latency_s)
        except (AttributeError, TypeError):  # another sounddevice
            pass
    return DeviceStream(pair.input, pair.output, state, config.rate, config.latency_s, compiled=False)


def probe(config: StreamConfig) -> DeviceInfo:
    """Open the devices, play silence until the block size is known, and close them.

    Two clocks are observed until both are known, and with them the delay that the bridge needs.
    Raises DeviceError.
    """
    state = config.stream_state()
    bridge = state.bridge
    stream = open_stream(config, state)
    stream.start()
    deadline = time.perf_counter() + PROBE_S
    while time.perf_counter() < deadline and (
        state[StateField.BLOCKS] < PROBE_BLOCKS or (bridge and not bridge.settled_for(WATCH_S))
    ):
        time.sleep(0.005)
    latency = stream.latency_samples
    stream.close()
    pair, block = config.pair, state[StateField.LARGEST]
    if block == 0 or (bridge and not bridge.settled):
        silent = pair.output.name if block == 0 else pair.input.name if pair.input else ""
        raise DeviceError(
            f"{silent} was opened and then {'asked for' if block == 0 else 'gave'} nothing in {PROBE_S:.0f} s. "
            "Plug it in again, or choose another of: verdigris devices"
        )
    info = DeviceInfo(
        name=pair.name,
        input=pair.input.name if pair.input else "",
        output=pair.output.name,
        selection_reason=pair.selection_reason,
        rate=config.rate,
        block=block,
        latency_samples=latency,
        measured_samples=load_round_trip(pair.name, config.rate, block),
        callback=callback_kind(stream.compiled, own_process=multiprocessing.parent_process() is not None),
        libjack=used_libjack(),
    )
    if bridge is None:
        return info
    delay = bridge.delay_for(block)
    added = round(delay * config.rate / config.rate_in) - block  # one device's block is part of latency_samples
    return replace(
        info,
        bridge_delay=delay,
        bridge_samples=added,
        drift_ppm=bridge.drift_ppm,
        latency_samples=None if latency is None else latency + added,
    )
