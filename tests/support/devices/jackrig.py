"""Loopback rig: a private JACK server with the dummy driver as sound card, and a sample-exact
meter.

The meter is a JACK client whose callback is compiled, so that it is never late itself. It plays a
sequence into the inputs of the program under test and records its outputs. Its own loop through the
server takes one period: JACK breaks the circle meter → program → meter there. Losses of the rig
itself (xruns of the server, jumps of its clock) are counted, so that a measurement can be repeated.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import carray, cfunc, types
from scipy.signal import max_len_seq

RATE = 48_000
_numbers = itertools.count()


def need_jack() -> None:
    """Skip the test if JACK is not installed."""
    if shutil.which("jackd") is None:
        pytest.skip("no jackd here: apt-get install jackd2 libjack-jackd2-0 libportaudio2")
    try:
        import jack
    except (ImportError, OSError) as error:
        pytest.skip(f"no JACK-Client or libjack here: {error}")
    jack.set_error_function(lambda message: None)  # it prints a lot until a server runs
    jack.set_info_function(lambda message: None)


def _end_with_us() -> None:
    """Make the server end with the tests, however they end."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Server:
    """A server under a unique name, to which this process's environment points; real-time where
    allowed.
    """

    def __init__(self, period: int = 256, *, inputs: int = 2, outputs: int = 2, rate: int = RATE) -> None:
        self.name = f"verdigris-test-{os.getpid()}-{next(_numbers)}"
        self.period, self.rate = period, rate
        self._driver = ["-d", "dummy", "-r", str(rate), "-p", str(period), "-C", str(inputs), "-P", str(outputs)]
        self._before = {key: os.environ.get(key) for key in ("JACK_DEFAULT_SERVER", "JACK_NO_START_SERVER")}
        os.environ["JACK_DEFAULT_SERVER"], os.environ["JACK_NO_START_SERVER"] = self.name, "1"
        self.start()

    def start(self) -> None:
        for realtime in ([], ["-r"]):
            self.process = subprocess.Popen(
                ["jackd", "-n", self.name, *realtime, "-S", *self._driver],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=_end_with_us,
            )
            deadline = time.monotonic() + 5
            while self.process.poll() is None and time.monotonic() < deadline:
                if self._answers():
                    return
                time.sleep(0.05)
            self.kill()
        self.restore()
        pytest.skip("jackd does not start here")

    def _answers(self) -> bool:
        import jack

        try:
            jack.Client("look", servername=self.name, no_start_server=True).close()
        except jack.JackError:
            return False
        return True

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def restore(self) -> None:
        for key, value in self._before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()
        for left in Path("/dev/shm").glob(f"jack*{self.name}_*"):  # left by killed servers and clients
            left.unlink(missing_ok=True)
        self.restore()


class Slot(IntEnum):
    """Indices into the meter's int64 memory."""

    CLIENT = 0
    PORTS = 1  # 1, 2: inputs; 3, 4: outputs
    PLAY = 5  # address of float32 [LENGTH, 2]
    RECORD = 6
    LENGTH = 7
    AT = 8  # samples played and recorded so far; LENGTH or more: nothing to do
    LAST = 9  # the server's time of the last period
    JUMPS = 10
    PERIODS = 11
    SIZE = 16


@dataclass(frozen=True)
class Measurement:
    """Round trip in samples, largest difference after it, and losses of the rig meanwhile."""

    samples: int
    residual: float
    disturbed: int


class Meter:
    """A client of two inputs and two outputs, connected to the ports that PortAudio has opened."""

    def __init__(self, server: Server, name: str = "meter") -> None:
        import jack

        self._jack, self.server = jack, server
        self.client = jack.Client(name, servername=server.name, no_start_server=True)
        self.memory = np.zeros(Slot.SIZE, np.int64)
        ins = [self.client.inports.register(f"in_{c}") for c in range(2)]
        outs = [self.client.outports.register(f"out_{c}") for c in range(2)]
        number = lambda pointer: int(jack._ffi.cast("intptr_t", pointer))  # noqa: E731
        self.memory[Slot.CLIENT] = number(self.client._ptr)
        for i, port in enumerate([*ins, *outs]):
            self.memory[Slot.PORTS + i] = number(port._ptr)
        self._callback = _compiled()
        jack._lib.jack_set_process_callback(
            self.client._ptr,
            jack._ffi.cast("JackProcessCallback", self._callback.address),
            jack._ffi.cast("void*", self.memory.ctypes.data),
        )
        self.xruns = 0
        self.client.set_xrun_callback(self._count)
        self.client.activate()

    def _count(self, delay: float) -> None:
        self.xruns += 1

    def connect(self, timeout: float = 60.0, *, inputs: bool = True) -> None:
        """Connect the program's ports to the meter instead of the card, once they exist; `inputs`
        if it has some.
        """
        deadline = time.monotonic() + timeout
        while not self._connected(inputs):
            assert time.monotonic() < deadline, f"no program under test among {self.client.get_ports()}"
            time.sleep(0.02)
        time.sleep(0.1)

    def _connected(self, inputs: bool) -> bool:
        """Return True if the ports were connected; JACK refuses them until their client is active."""
        import jack

        ports = [p for p in self.client.get_ports() if not p.name.startswith(("system:", f"{self.client.name}:"))]
        heard = [p for p in ports if p.is_output and p.is_audio]
        fed = [p for p in ports if p.is_input and p.is_audio]
        if len(heard) < 2 or len(fed) < 2 * inputs:
            return False
        try:
            for port in [*heard, *fed]:
                for other in self.client.get_all_connections(port):
                    pair = (port, other) if port.is_output else (other, port)
                    self.client.disconnect(*pair)
            for c in range(2):
                if inputs:
                    self.client.connect(self.client.outports[c], fed[c])
                self.client.connect(heard[c], self.client.inports[c])
        except jack.JackError:
            return False
        return True

    def pass_through(self, play: np.ndarray) -> tuple[np.ndarray, int]:
        """Play [T, 2] and record as much; return the recording, and xruns and jumps meanwhile."""
        play = np.ascontiguousarray(play, np.float32)
        self._play, self._record = play, np.zeros_like(play)  # kept alive for the callback
        m = self.memory
        before = self.xruns + int(m[Slot.JUMPS])
        m[Slot.PLAY], m[Slot.RECORD], m[Slot.LENGTH] = play.ctypes.data, self._record.ctypes.data, len(play)
        m[Slot.AT] = 0
        deadline = time.monotonic() + len(play) / self.server.rate + 10
        while m[Slot.AT] < m[Slot.LENGTH]:
            assert time.monotonic() < deadline, "the server stands"
            time.sleep(0.01)
        return self._record, self.xruns + int(m[Slot.JUMPS]) - before

    def measure(self, longest: int) -> Measurement:
        """Measure the round trip, at most `longest` samples, by two maximum-length sequences."""
        sequence = max_len_seq(12)[0].astype(np.float32) - 0.5
        size = len(sequence)
        play = np.zeros((longest + 2 * size, 2), np.float32)
        play[:size, 0], play[:size, 1] = sequence, sequence[::-1]
        record, disturbed = self.pass_through(play)
        padded = 1 << (2 * len(play) - 1).bit_length()
        spectrum = np.fft.rfft(record[:, 0], padded) * np.conj(np.fft.rfft(play[:, 0], padded))
        lag = int(np.argmax(np.fft.irfft(spectrum)[: len(play)]))
        residual = float(np.abs(record[lag:] - play[: len(play) - lag]).max())
        return Measurement(lag, residual, disturbed)

    def steady(self, longest: int, attempts: int = 6) -> Measurement:
        """Call `measure` until the rig is not disturbed."""
        for _ in range(attempts):
            measurement = self.measure(longest)
            if not measurement.disturbed:
                return measurement
        pytest.skip(f"this machine stalls too much: xruns in each of {attempts} measurements")

    def close(self) -> None:
        self.client.deactivate()
        self.client.close()


class Cable:
    """A connection from the outputs that PortAudio has opened to its inputs."""

    def __init__(self, server: Server) -> None:
        import jack

        self._jack = jack
        self.client = jack.Client("cable", servername=server.name, no_start_server=True)

    def connect(self) -> None:
        """Connect the ports that exist."""
        with contextlib.suppress(self._jack.JackError):  # it has gone meanwhile
            ports = [p for p in self.client.get_ports(is_audio=True) if not p.name.startswith("system:")]
            for heard, fed in zip([p for p in ports if p.is_output], [p for p in ports if p.is_input], strict=False):
                if fed not in self.client.get_all_connections(heard):
                    self.client.connect(heard, fed)

    def close(self) -> None:
        self.client.close()


@functools.cache
def _compiled() -> Any:
    """Compile the meter's JACK callback."""
    library = ctypes.CDLL("libjack.so.0")
    get_buffer, last_time = library.jack_port_get_buffer, library.jack_last_frame_time
    get_buffer.argtypes, get_buffer.restype = (ctypes.c_size_t, ctypes.c_uint32), ctypes.c_size_t
    last_time.argtypes, last_time.restype = (ctypes.c_size_t,), ctypes.c_uint32
    from realtime.drivers.portaudio.numba_pointers import floats_at

    client, ports, play_, record_ = int(Slot.CLIENT), int(Slot.PORTS), int(Slot.PLAY), int(Slot.RECORD)
    length, at_, last, jumps, periods = (
        int(Slot.LENGTH),
        int(Slot.AT),
        int(Slot.LAST),
        int(Slot.JUMPS),
        int(Slot.PERIODS),
    )
    size_ = int(Slot.SIZE)

    @cfunc(types.intc(types.uint32, types.CPointer(types.int64)), nopython=True)
    def process(count, address):
        m, n = carray(address, (size_,)), types.int64(count)
        now = types.int64(last_time(m[client]))
        if m[periods] and now != m[last] + n:
            m[jumps] += 1
        m[last] = now
        m[periods] += 1
        play = carray(floats_at(m[play_]), (m[length], 2))
        record = carray(floats_at(m[record_]), (m[length], 2))
        for c in range(2):
            inp = carray(floats_at(types.int64(get_buffer(m[ports + c], count))), (n,))
            out = carray(floats_at(types.int64(get_buffer(m[ports + 2 + c], count))), (n,))
            for i in range(n):
                at = m[at_] + i
                out[i] = play[at, c] if at < m[length] else np.float32(0.0)
                if at < m[length]:
                    record[at, c] = inp[i]
        if m[at_] < m[length]:
            m[at_] += n
        return 0

    return process
