"""Device driver: a stream through a sound card, which survives the loss of the card.

The device has a process of its own (process.py), whose audio thread runs compiled code only
(callback.py). The thread `verdigris-card` supervises it. If the device is unplugged, its server
ends or its process dies, the driver reports it and plays again once the device is back; it never
uses another device instead, except the default of a JACK server that has come back with others, if
the user named none. The stream resumes at the sample where it stopped: the time without a
device counts for --seconds alone. A device is back once blocks flow; one that starts again and again
without any is tried more and more seldom, and announced once.

| method                                   | thread                              |
|------------------------------------------|-------------------------------------|
| open, attach, start, stop                | the one that created the driver     |
| running, samples_in, watch, facts        | any                                 |
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

from realtime.drivers.driver import DriverOptions, StreamSetup
from realtime.drivers.portaudio.api import DeviceError
from realtime.drivers.portaudio.callback import FADE_IN
from realtime.drivers.portaudio.device_process import (
    DeviceLost,
    DeviceRefused,
    DeviceStatus,
    FadeOut,
    FileBegan,
    PlayTimeline,
    SetFileInput,
    SourceFailed,
    StreamStarted,
)
from realtime.drivers.portaudio.probe import DeviceInfo, DeviceRequest
from realtime.drivers.portaudio.process_handle import OPEN_S, DeviceProcess
from realtime.drivers.portaudio.selection import DEFAULT, SYSTEM_DEFAULT, DeviceChoice, store_choice
from realtime.files.audio_file import AudioFileError, AudioReader
from realtime.timeline.layout import Field, Timeline

POLL_S = 0.05
LOST_S = 2.0  # without a block for so long the device counts as lost, whatever its back end reports
RESPAWN_S = 5.0
MAX_RESPAWN_S = 30.0
RESUMED = -1  # number of a file that goes on after a loss: its start is known


def open_driver(options: DriverOptions) -> DeviceDriver:
    """Open the chosen sound card, and store a named one for the next start. Raises DeviceError."""
    request = request_of(options)
    driver = DeviceDriver(request)
    info = driver.open()
    if request.choice != DeviceChoice():
        input_ = _full_name(request.choice.input, info.input)
        output = _full_name(request.choice.output, info.output)
        store_choice(DeviceChoice(input_, output))
    return driver


def request_of(options: DriverOptions) -> DeviceRequest:
    """Return the options as a request for PortAudio devices."""
    return DeviceRequest(
        choice=DeviceChoice(options.input_device, options.output_device),
        codec_rate=options.preferred_rate,
        rate=options.rate,
        block=options.block,
        inputs=options.input_channels,
        outputs=options.output_channels,
        feed=options.input_file,
    )


def _full_name(given: str | None, opened: str) -> str | None:
    """Return the stable name of a device that the user named; None for the default device."""
    return opened if given not in (None, DEFAULT) else None


class DeviceDriver:
    """A stream through a sound card, until it is stopped or its limit has been played."""

    def __init__(self, request: DeviceRequest, *, in_thread: bool = False) -> None:
        """`in_thread` keeps the device in this process, to test the effect of the GIL."""
        self._request, self._in_thread = request, in_thread
        self.error: Exception | None = None
        self.losses = 0  # times that the device was lost
        self._playing = False
        self._gone_since: float | None = None  # monotonic time; None while blocks flow
        self._gone_s = 0.0  # time without a device, before the current loss
        self._respawn_s = 0.0  # wait before the next process
        self._latency_samples: int | None = None
        self._started = StreamStarted(None, "", "", "")  # the last one
        self._status = DeviceStatus(0, 0, 0, {})
        self._before = DeviceStatus(0, 0, 0, {})  # sum over the processes before this one
        self._stopping, self._ended = threading.Event(), threading.Event()
        self._messages: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._source_failures: queue.SimpleQueue[Exception] = queue.SimpleQueue()
        self._starts: deque[tuple[int, int]] = deque(maxlen=1)  # number of a file and its start, for `source_start`
        self._begun = 0  # number of the file that began last
        self._warned: set[str] = set()
        self._process: DeviceProcess | None = None
        self._file, self._fed_at = SetFileInput(None), 0  # the input sample from which on it plays
        self._thread = threading.Thread(target=self._supervise, name="verdigris-card", daemon=True)

    def open(self) -> DeviceInfo:
        """Probe the device and return the result. Raises DeviceError."""
        self._process = DeviceProcess(self._request, None, in_thread=self._in_thread)
        try:
            self.info = self._process.wait_info()
        except DeviceError:
            self._process.end()
            raise
        return self.info

    @property
    def rate(self) -> int:
        """Sample rate of the device, Hz."""
        return self.info.rate

    @property
    def block(self) -> int:
        """Largest block that the device handed over in the probe, samples."""
        return self.info.block

    @property
    def description(self) -> str:
        """The result of the probe in one line."""
        return str(self.info)

    @property
    def warning(self) -> str:
        """Warning of acoustic feedback if the system's default input plays; else empty."""
        if self.info.input and self.info.selection_reason.startswith(SYSTEM_DEFAULT):
            return "playing the system's default input: use headphones, or it may howl"
        return ""

    @property
    def parameters(self) -> dict[str, str]:
        """The devices in use, by parameter."""
        return {"device.input": self.info.input, "device.output": self.info.output}

    def attach(self, setup: StreamSetup) -> DeviceDriver:
        """Set the timeline to play.

        A file as source ends the stream at its length; the device's process reads it.
        """
        self._timeline: Timeline = setup.playout.timeline
        self._limit = setup.limit
        if isinstance(setup.source, AudioReader) and setup.source.length is not None:
            length = setup.source.length
            self._limit = length if setup.limit is None else min(length, setup.limit)
        self._end = None if self._limit is None else self._limit + self._timeline[Field.LATENCY]
        self._clock_end = None if setup.limit is None else setup.limit + self._timeline[Field.LATENCY]
        return self

    def start(self) -> None:
        """Start the stream. Raises DeviceError if the device is no longer available."""
        process = self._running_process()
        process.send(PlayTimeline(self._timeline.path))
        deadline = time.perf_counter() + OPEN_S
        while not self._playing:
            if not process.connection.poll(max(0.0, deadline - time.perf_counter())):
                raise DeviceError(f"{self.info.name} was tried and then did not start. Run verdigris doctor.")
            message = process.receive()
            if isinstance(message, DeviceRefused | DeviceLost | None):
                reason = message.message if isinstance(message, DeviceRefused) else "it is gone"
                raise DeviceError(f"{self.info.name} was tried and then did not start: {reason}")
            self._on_message(message)
        self._thread.start()

    def stop(self) -> None:
        """Fade out, end the stream and wait until it has ended."""
        if self._process and self._playing and self._thread.is_alive():
            self._process.send(FadeOut())
            deadline = time.perf_counter() + 2 * FADE_IN / self.info.rate + 0.3
            while self._status.level and self._thread.is_alive() and time.perf_counter() < deadline:
                time.sleep(0.005)
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        elif self._process:
            self._process.end()
        self._ended.set()

    def feed(self, path: Path | None, start: int = 0, *, loop: bool = True) -> None:
        """Play this file in place of the device's input; None returns to the input."""
        playing = self._thread.is_alive()
        self._file = SetFileInput(path, start, loop, self._file.number + 1)
        self._fed_at = self._timeline.load(Field.DRY_END) if playing else 0
        if self._process and playing:  # earlier it would arrive before the timeline
            self._process.send(self._file)

    def join(self, seconds: float) -> None:
        """Wait up to `seconds` for the end of the stream."""
        self._ended.wait(seconds)

    @property
    def running(self) -> bool:
        """True until the stream has ended."""
        return not self._ended.is_set()

    @property
    def samples_in(self) -> int:
        """Input samples so far, without those after the limit."""
        position = self._timeline.load(Field.DRY_END)
        return position if self._limit is None else min(position, self._limit)

    def watch(self) -> str | None:
        """Return the next message about the device; None if there is none."""
        try:
            return self._messages.get_nowait()
        except queue.Empty:
            return None

    def source_start(self) -> int | None:
        """Return the input sample with which the file of the last `feed` began, once; None mostly."""
        try:
            number, at = self._starts.pop()
        except IndexError:
            return None
        return at if number == self._file.number else None

    def source_failure(self) -> Exception | None:
        """Return the error of a file that was left for the input, once; None mostly."""
        try:
            return self._source_failures.get_nowait()
        except queue.Empty:
            return None

    @property
    def pid(self) -> int | None:
        """Process id of the device's process, if there is one."""
        return self._process.process.pid if self._process and self._process.process else None

    @property
    def facts(self) -> dict[str, Any]:
        """Report of the device: its name, its losses by kind and its own part of the latency.

        With two clocks bridge_samples is the part between them, and drift_ppm the input's drift
        against the output.
        """
        kinds = {**self._before.xruns, **self._status.xruns}
        clocks = {"bridge_samples": self.info.bridge_samples, "drift_ppm": self._status.drift_ppm}
        return (clocks if self.info.bridge_delay else {}) | {
            "name": self.info.name,
            "callback": self.info.callback,
            "sample_rate": self.info.rate,
            "block": max(self._status.largest, self._before.largest),
            "blocks": self._before.blocks + self._status.blocks,
            "xruns": {kind: self._before.xruns.get(kind, 0) + self._status.xruns.get(kind, 0) for kind in kinds},
            "losses": self.losses,
            "clipped_samples": self._before.clipped + self._status.clipped,
            "device_latency_samples": self._latency_samples,
            "measured_round_trip_samples": self.info.measured_samples,
        }

    def _running_process(self) -> DeviceProcess:
        if self._process is None:
            raise RuntimeError("the driver is not open")
        return self._process

    def _supervise(self) -> None:
        try:
            self._supervise_stream()
        except Exception as error:  # noqa: BLE001 - the session raises it again
            self.error = error
        finally:
            if self._process:
                self._process.end()
            self._ended.set()

    def _supervise_stream(self) -> None:
        """Return at the end of the stream; replace the process whenever the device is lost."""
        output, input_ = _StallTimer(), _StallTimer()
        while not self._stopping.is_set():
            playing = self._playing
            lost = self._receive()
            if self._playing and not playing:
                output.restart()  # opening took its time
            position = self._timeline.load(Field.PLAYED_END)
            if self._end is not None and position >= self._end:
                return
            if self._clock_end is not None and position + self._gone_samples >= self._clock_end:
                return
            stalled_s = output.update(position)
            if self._playing and self._gone_since is not None and stalled_s == 0.0:
                self._on_device_back(self._gone_since)
            if lost or not self._running_process().alive() or (self._playing and stalled_s > LOST_S):
                self._on_device_lost()
                output.restart()
            self._check_input(input_)
            self._check_output()

    def _receive(self) -> bool:
        """Handle the next message, waiting up to POLL_S; return True if the device is lost."""
        process = self._running_process()
        with contextlib.suppress(EOFError):
            if process.connection.poll(POLL_S):
                message = process.receive()
                if message is not None:
                    self._on_message(message)
                return message is None or isinstance(message, DeviceLost)
        return False

    def _check_input(self, timer: _StallTimer) -> None:
        """Warn if a separate input device delivers no samples, once per silence."""
        silent_s = timer.update(self._status.captured)
        if not self._playing:
            timer.restart()
            silent_s = 0.0
        if silent_s == 0.0:
            self._warned.discard("silent")
        elif self.info.bridge_delay and silent_s > LOST_S:
            self._warn_once("silent", f"{self.info.input} gives no samples; its input is silence until it does")

    def _check_output(self) -> None:
        """Warn once of clipping, and once of blocks larger than planned."""
        if self._status.clipped:
            text = "the output exceeds full scale and is clipped. Turn down the gain or the input."
            self._warn_once("clipped", text)
        planned = self._timeline[Field.MAX_BLOCK]
        if self._status.largest > planned:
            self._warn_once(
                "block",
                f"the card hands over {self._status.largest} samples at once; latency was planned for {planned}, "
                "so dropouts may come. Start again to plan anew.",
            )

    def _warn_once(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self._messages.put(text)

    def _on_message(self, message: object) -> None:
        if isinstance(message, DeviceStatus):
            self._status = message
        elif isinstance(message, FileBegan):
            if message.number == self._file.number:
                self._fed_at = self._timeline.load(Field.DRY_END) + message.ahead
                self._begun = message.number
                self._starts.append((message.number, self._fed_at))
        elif isinstance(message, SourceFailed):
            self._file = SetFileInput(None, number=self._file.number)
            self._source_failures.put(AudioFileError(message.reason))
        elif isinstance(message, DeviceRefused):
            self._messages.put(f"{self.info.name} is back but cannot be played: {message.message}")
        elif isinstance(message, StreamStarted):
            self._playing = True
            self._started = message
            own = message.latency_samples
            self._latency_samples = None if own is None else own + self.info.bridge_samples

    @property
    def _gone_samples(self) -> int:
        """Time without a device as samples."""
        now_s = 0.0 if self._gone_since is None else time.perf_counter() - self._gone_since
        return round((self._gone_s + now_s) * self._timeline[Field.RATE])

    def _left_s(self) -> float:
        """Return the time until the end of --seconds; long without one."""
        if self._clock_end is None:
            return MAX_RESPAWN_S
        left = self._clock_end - self._timeline.load(Field.PLAYED_END) - self._gone_samples
        return max(0.0, left / self._timeline[Field.RATE])

    def _on_device_back(self, gone_since: float) -> None:
        """Announce a device whose blocks flow again."""
        self._gone_s += time.perf_counter() - gone_since
        self._gone_since, self._respawn_s = None, 0.0
        lost, found = self.info.name, self._started
        if lost != found.name:
            self.info = replace(self.info, name=found.name, input=found.input, output=found.output)
        self._messages.put(f"{lost} is back{f' as {found.name}' if found.name != lost else ''}, playing")

    def _on_device_lost(self) -> None:
        """Report the loss, kill the process, and start another one that waits for the device."""
        self._running_process().kill()
        if self._gone_since is None:
            self._gone_since = time.perf_counter()
            self.losses += 1
            self._timeline.header[Field.XRUNS] += 1  # no callback runs any more
            self._messages.put(f"{self.info.name} is gone (unplugged, or its server ended); silent until it is back")
        else:  # it started and no block came, or its process cannot even wait: once more, later
            self._stopping.wait(min(self._respawn_s or (0.5 if self._playing else RESPAWN_S), self._left_s()))
            self._respawn_s = min(2 * self._respawn_s or 1.0, MAX_RESPAWN_S)
        self._playing = False
        facts = self.facts
        self._before = DeviceStatus(
            facts["blocks"], facts["block"], 0, facts["xruns"], clipped=facts["clipped_samples"]
        )
        self._status = DeviceStatus(0, 0, 0, {})
        self._process = DeviceProcess(self._request, self.info, in_thread=self._in_thread)
        self._process.send(PlayTimeline(self._timeline.path))
        if self._file.path and self._begun == self._file.number:  # it goes on where it stopped
            played = self._timeline.load(Field.DRY_END) - self._fed_at
            self._process.send(replace(self._file, start=self._file.start + max(0, played), number=RESUMED))
        elif self._file.path:
            self._process.send(self._file)


class _StallTimer:
    """Time since a counter last changed."""

    def __init__(self) -> None:
        self._value = -1
        self.restart()

    def restart(self) -> None:
        """Count from now."""
        self._since = time.perf_counter()

    def update(self, value: int) -> float:
        """Return the seconds since the counter last changed; 0 if it just has."""
        if value != self._value:
            self._value = value
            self.restart()
            return 0.0
        return time.perf_counter() - self._since
