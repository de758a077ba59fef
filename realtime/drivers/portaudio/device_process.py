"""The device's process: PortAudio and the playout, and nothing else.

It is a separate process because a sound system may take its client down: with its server killed,
PortAudio's JACK back end blocks for minutes in each call, and a driver may crash. The driver
(driver.py) then starts another process.

    device → driver   DeviceInfo once after the probe, or DeviceRefused · StreamStarted at each start
                      DeviceStatus ten times a second · DeviceLost when the device is lost
                      FileBegan when a file in place of the input begins
                      SourceFailed when a file in place of the input cannot be read any more
    driver → device   PlayTimeline once · SetFileInput · FadeOut · StopDevice

While the device is away, the process looks for it by name every second; it never uses another one
instead.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

import numpy as np

from realtime.drivers.clock import Silence
from realtime.drivers.portaudio.api import DeviceError, list_devices, refresh, use_libjack
from realtime.drivers.portaudio.callback import StateField, StreamState
from realtime.drivers.portaudio.clock_bridge import BridgeField
from realtime.drivers.portaudio.probe import (
    DeviceInfo,
    DeviceRequest,
    StreamConfig,
    open_stream,
    probe,
    resolve_config,
)
from realtime.drivers.portaudio.selection import DEFAULT, DeviceChoice, DevicePair, choose_devices, find_device
from realtime.drivers.portaudio.stream import DeviceStream
from realtime.drivers.source_switch import CrossfadingSource, Source
from realtime.files.audio_file import AudioReader
from realtime.files.file_opener import FileOpener
from realtime.system.platform import jack_library
from realtime.system.platform.priority import raise_priority
from realtime.system.silence_stderr import keep_stderr_for_python
from realtime.timeline.layout import MONITOR, OPEN_STRETCH, Field, Timeline
from realtime.timeline.playout import Playout, PlayoutState, close_dropout

POLL_S = 0.02
STATUS_S = 0.1
FEED_AHEAD = 1 << 14  # samples of a file in the ring; another file is heard after them
SKIP = 1 << 16  # samples read at once
RETRY_S = 1.0


@dataclass(frozen=True)
class DeviceRefused:
    """The device cannot be opened."""

    message: str


@dataclass(frozen=True)
class PlayTimeline:
    """Path of the timeline to play."""

    path: Path


@dataclass(frozen=True)
class StreamStarted:
    """The stream runs; latency as reported by the back end, and the devices' names."""

    latency_samples: int | None
    name: str  # of both
    input: str
    output: str


@dataclass(frozen=True)
class DeviceStatus:
    """Counters since the process began."""

    blocks: int
    largest: int  # block, samples
    level: int  # of the output; 0: silent
    xruns: dict[str, int]  # by kind
    captured: int = 0  # samples of an input device with a clock of its own
    drift_ppm: float = 0.0  # of that clock, against the output's
    clipped: int = 0  # samples that exceeded full scale


@dataclass(frozen=True)
class DeviceLost:
    """The device or its server is gone."""

    reason: str


@dataclass(frozen=True)
class SourceFailed:
    """A file was left for the input, or for silence if it is the input itself."""

    reason: str


@dataclass(frozen=True)
class FileBegan:
    """The file of a SetFileInput is open, and begins `ahead` samples after those that the device takes next."""

    number: int  # of the SetFileInput
    ahead: int


@dataclass(frozen=True)
class SetFileInput:
    """File to play in place of the input; None: the input again.

    `start` is its first sample; without `loop`, silence follows its end. FileBegan has its `number`.
    """

    path: Path | None
    start: int = 0
    loop: bool = True
    number: int = 0


@dataclass(frozen=True)
class FadeOut:
    """Fade the output to silence."""


@dataclass(frozen=True)
class StopDevice:
    """End the stream and the process."""


class ResumedPlayout(Playout):
    """Playout that resumes a stream of another process at its current sample."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.header, self.rings = timeline.header, timeline.rings
        self.state = np.zeros(PlayoutState.SIZE, np.int64)
        for index, field in (
            (PlayoutState.GAIN_DRY, Field.GAIN_DRY),
            (PlayoutState.GAIN_A, Field.GAIN_A),
            (PlayoutState.GAIN_B, Field.GAIN_B),
        ):
            self.state[index] = timeline[field]
        # the process before may have died between the two counters: that block was taken and never played
        start, played = timeline.load(Field.DRY_END), timeline.load(Field.PLAYED_END)
        timeline.write(MONITOR, played, np.zeros((self.rings.shape[1], start - played), np.float32))
        timeline.store(Field.PLAYED_END, start)
        self.state[PlayoutState.POSITION] = start
        self.header[Field.OPEN_DROPOUT] = 0
        for slot, (kind, at) in enumerate(OPEN_STRETCH):  # it goes on: after the gap, dry fades to wet
            self.state[PlayoutState.STRETCH_KIND + slot] = timeline[kind]
            self.state[PlayoutState.STRETCH_START + slot] = timeline[at]
            self.state[PlayoutState.STRETCH_ATTACH + slot] = -1

    def finish(self) -> None:
        """Count the dropout in which the stream ended, if any."""
        close_dropout(self.header, self.state)


def run_device(connection: Connection, request: DeviceRequest, known: DeviceInfo | None = None) -> None:
    """Probe the device and send the result, then play the timeline until StopDevice.

    With `known`, the device was lost: there is no probe, and the process waits for it. Runs in a
    process of its own, or in a thread where no process can be started.
    """
    config: StreamConfig | None = None
    info = known
    if request.block is not None:
        jack_library.request_block(request.block, request.rate or request.codec_rate)
    if info is not None:
        use_libjack(info.libjack)  # its server may be away just now
    else:
        try:
            config = resolve_config(request)
            info = probe(config)
            connection.send(info)
        except DeviceError as error:
            connection.send(DeviceRefused(str(error)))
            return
    try:
        message = connection.recv()
    except EOFError:
        return
    if isinstance(message, PlayTimeline):
        timeline = Timeline.attach(message.path)
        with _DeviceSession(connection, timeline, request, info, config) as session:
            session.run()
        timeline.close()


def run_device_process(
    connection: Connection, request: DeviceRequest, known: DeviceInfo | None, environment: dict[str, str]
) -> None:
    """Run `run_device` as the main function of a process, which a fork server may have started
    with another environment.

    SIGINT is ignored: the driver handles it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(environment)
    keep_stderr_for_python()  # the ALSA back end prints an expression for each call that a lost server fails
    gc.freeze()
    raise_priority()  # inherited by PortAudio's threads; its ALSA back end asks for none
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the driver is gone
        run_device(connection, request, known)
    os._exit(0)  # skip Pa_Terminate, which aborts if a JACK server has gone


class _DeviceSession:
    """Stream of one device process, from PlayTimeline to StopDevice.

    One thread beside the audio thread; another one opens files.
    """

    def __init__(
        self,
        connection: Connection,
        timeline: Timeline,
        request: DeviceRequest,
        info: DeviceInfo,
        config: StreamConfig | None,
    ) -> None:
        self._connection, self._timeline, self._request = connection, timeline, request
        self._info, self._config = info, config
        self._playout = ResumedPlayout(timeline)
        self._state: StreamState | None = None
        self._stream: DeviceStream | None = None
        self._feed: CrossfadingSource | None = None
        self._pending_file: SetFileInput | None = None  # until the device is open
        self._leaving_file = False  # while the input fades back in
        self._number = 0  # of the last SetFileInput
        self._last_error = ""
        self._opened: queue.SimpleQueue[Source | Exception] = queue.SimpleQueue()
        self._opener = FileOpener(self._opened.put)

    def __enter__(self) -> _DeviceSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream:
            self._stream.close()
        self._playout.finish()
        self._playout.close()

    def run(self) -> None:
        """Open the device, or wait for it, and serve the stream until its end."""
        due = looked = 0.0
        while self._receive():
            now = time.perf_counter()
            if self._stream is None and now - looked > RETRY_S:
                looked = now
                self._open()
            if self._state:
                self._fill_feed(self._state)
            if self._stream and self._state and now > due:
                due = now + STATUS_S
                if not self._stream.active:
                    self._connection.send(DeviceLost("its server ended, or it was unplugged"))
                    return
                self._connection.send(self._status(self._state))

    def _status(self, state: StreamState) -> DeviceStatus:
        bridge = state.bridge
        return DeviceStatus(
            blocks=state[StateField.BLOCKS],
            largest=state[StateField.LARGEST],
            level=state[StateField.LEVEL],
            xruns=state.xruns,
            captured=bridge[BridgeField.CAPTURED] if bridge else 0,
            drift_ppm=bridge.drift_ppm if bridge else 0.0,
            clipped=state[StateField.CLIPPED],
        )

    def _receive(self) -> bool:
        """Wait up to POLL_S for a message of the driver; return False if it is time to stop."""
        try:
            if self._connection.poll(POLL_S):
                message = self._connection.recv()
                if isinstance(message, SetFileInput):
                    self._pending_file = message
                elif not isinstance(message, FadeOut):
                    return False
                elif self._state:
                    self._state.fade_out()
        except (EOFError, ConnectionResetError):
            return False
        return True

    def _fill_feed(self, state: StreamState) -> None:
        """Apply a pending SetFileInput, and fill the ring of the file input, if any."""
        pending, self._pending_file = self._pending_file, None
        self._number = pending.number if pending else self._number
        if pending and pending.path:
            self._opener.open(pending.path, self._timeline[Field.RATE], pending.start, loop=pending.loop)
        elif pending:
            self._opener.cancel()
            self._return_to_input(state)
        with contextlib.suppress(queue.Empty):
            self._play_file(state, self._opened.get_nowait())
        if self._leaving_file and not state[StateField.FILE_INPUT_LEVEL]:
            self._feed, self._leaving_file = None, False
        if self._feed and not self._leaving_file:
            state.feed(self._feed.read, FEED_AHEAD)
            if failure := self._feed.take_failure():
                self._connection.send(SourceFailed(str(failure)))
                if not self._request.feed:
                    self._leave_file(state)

    def _return_to_input(self, state: StreamState) -> None:
        self._close_opened()
        if self._feed and self._request.feed:
            self._feed.choose(None)
        elif self._feed:
            self._leave_file(state)

    def _close_opened(self) -> None:
        """Close files that were opened too late."""
        while not self._opened.empty():
            close: Callable[[], None] | None = getattr(self._opened.get_nowait(), "close", None)
            if close:
                close()

    def _play_file(self, state: StreamState, opened: Source | Exception) -> None:
        """Play a file that is open now."""
        if isinstance(opened, Exception):  # the session has checked it; it has changed since
            self._connection.send(SourceFailed(str(opened)))
            return
        self._leaving_file = False
        ahead = 0
        if self._feed:
            ahead = max(0, state[StateField.FILE_INPUT_END] - state[StateField.FILE_INPUT_POS])
            self._feed.choose(opened)
        else:
            self._feed = CrossfadingSource(opened)
            state.start_feed(0, faded=True)
        self._connection.send(FileBegan(self._number, ahead))

    def _leave_file(self, state: StreamState) -> None:
        """Fade back to the device's input."""
        self._leaving_file = True
        state.stop_feed()

    def _open(self) -> None:
        """Start the stream if the device is available; otherwise report the error, each one once."""
        try:
            config = self._config or self._find_again()
            if config is None:
                return
            state = replace(config, delay=self._info.bridge_delay).stream_state(self._playout)
            state.start_muted_fade_in(muted=self._timeline[Field.LATENCY])  # older samples are from before the gap
            if self._request.feed:
                self._feed = self._feed or CrossfadingSource(self._reader(self._request.feed, config.rate))
                state.start_feed(self._playout.position)
                state.feed(self._feed.read)
            stream = open_stream(config, state)
            stream.start()
        except DeviceError as error:
            if str(error) != self._last_error:
                self._last_error = str(error)
                self._connection.send(DeviceRefused(self._last_error))
            return
        self._state, self._stream = state, stream
        pair = config.pair
        input_ = pair.input.name if pair.input else ""
        self._connection.send(StreamStarted(stream.latency_samples, pair.name, input_, pair.output.name))

    def _reader(self, path: Path, rate: int) -> Source:
        """Return the file from the stream's position on: sample k of the file is input sample k.

        Silence if it cannot be read.
        """
        try:
            reader, left = AudioReader(path, rate), self._playout.position
            while left and (skipped := reader.read(min(left, SKIP)).shape[1]):
                left -= skipped
        except Exception as error:  # noqa: BLE001 - a damaged file does not take the device away
            self._connection.send(SourceFailed(str(error)))
            return Silence()
        return reader

    def _find_again(self) -> StreamConfig | None:
        """Return the configuration of the lost device if it is back."""
        refresh()
        try:
            available = list_devices()
            output = find_device(self._info.output, available, "output")
            input_ = find_device(self._info.input, available, "input") if self._info.input else None
        except DeviceError:
            return self._follow_server()
        named = replace(self._request.choice, input=input_.name if input_ else None, output=output.name)
        config = resolve_config(replace(self._request, choice=named, rate=self._info.rate))
        return replace(config, pair=DevicePair(input_, output, self._info.selection_reason))

    def _follow_server(self) -> StreamConfig | None:
        """Return the default devices of a JACK server that is back with others, unless the user
        named one.

        The session manager of PipeWire names devices anew at each start.
        """
        if self._request.choice != DeviceChoice() or not self._info.output.startswith("JACK:"):
            return None
        available = [device for device in list_devices() if device.api.startswith("JACK")]
        try:
            pair = choose_devices(DeviceChoice(DEFAULT, DEFAULT), duplex=bool(self._info.input), devices=available)
            named = DeviceChoice(pair.input.name if pair.input else None, pair.output.name)
            return resolve_config(replace(self._request, choice=named, rate=self._info.rate))
        except DeviceError:
            return None
