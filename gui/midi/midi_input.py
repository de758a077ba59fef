"""MIDI input ports by mido and python-rtmidi, the optional extra `midi`."""

from __future__ import annotations

import importlib
import os
import queue
import time
from collections.abc import Callable
from typing import Any, Protocol

from gui.midi.midi_clock import MidiClock
from gui.midi.midi_controls import control_of

RESCAN_S = 3.0  # between two looks for new controllers
INSTALL = "MIDI needs two more packages: pip install 'verdigris[midi]'"
SEQUENCER = "/dev/snd/seq"
NO_SEQUENCER = f"MIDI needs ALSA's sequencer, and {SEQUENCER} cannot be opened. Run modprobe snd-seq."
OWN = "Midi Through"  # the system's loop, which is not a controller


class Port(Protocol):
    """An open input port."""

    def close(self) -> None: ...


class Backend(Protocol):
    """Library that opens ports; `take` is called in a thread of the library."""

    def names(self) -> list[str]: ...
    def open(self, name: str, take: Callable[[Any], None]) -> Port: ...


class MidoBackend:
    """mido with python-rtmidi. OSError if there is no MIDI on this machine."""

    def __init__(self) -> None:
        try:
            self._mido = importlib.import_module("mido")
            rtmidi = importlib.import_module("rtmidi")
        except ImportError as error:
            raise OSError(INSTALL) from error
        alsa = rtmidi.API_LINUX_ALSA in rtmidi.get_compiled_api()
        if alsa and not os.access(SEQUENCER, os.R_OK | os.W_OK):  # ALSA would write its errors to the terminal
            raise OSError(NO_SEQUENCER)

    def names(self) -> list[str]:
        try:
            found: list[str] = self._mido.get_input_names()
        except Exception as error:  # rtmidi's errors share no base with others
            raise OSError(f"MIDI is not available here ({error}).") from error
        return found

    def open(self, name: str, take: Callable[[Any], None]) -> Port:
        port: Port = self._mido.open_input(name, callback=take)
        return port


class MidiInput:
    """All controllers of this machine; new ones are opened as they appear. Call `poll` at each tick."""

    def __init__(
        self, backend: Callable[[], Backend] = MidoBackend, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """`backend` is opened with the first `poll`; `clock` in seconds."""
        self._open_backend, self._clock = backend, clock
        self._backend: Backend | None = None
        self._ports: dict[str, Port] = {}
        self._messages: queue.SimpleQueue[tuple[Any, float]] = queue.SimpleQueue()
        self._scan_at = 0.0
        self.tempo_clock = MidiClock()
        self.problem = ""  # why there is no MIDI

    @property
    def ports(self) -> list[str]:
        """Names of the open controllers."""
        return sorted(self._ports)

    def poll(self) -> dict[str, float]:
        """Return the controls that have moved since the last call, each with its last value."""
        now = self._clock()
        if now >= self._scan_at:
            self._scan_at = now + RESCAN_S
            self._scan()
        moved: dict[str, float] = {}
        for _ in range(self._messages.qsize()):
            message, at = self._messages.get()
            self.tempo_clock.hear(message.type, at)
            if found := control_of(message):
                moved[found[0]] = found[1]
        return moved

    @property
    def tempo(self) -> float:
        """Quarter notes a minute of the MIDI clock; 0 without one."""
        return self.tempo_clock.tempo(self._clock())

    def _scan(self) -> None:
        try:
            self._backend = self._backend or self._open_backend()
            names = [name for name in self._backend.names() if not name.startswith(OWN)]
        except OSError as error:
            self.problem, self._scan_at = str(error), float("inf")  # it does not come by waiting
            return
        for gone in self._ports.keys() - set(names):
            self._ports.pop(gone).close()
        for name in names:
            if name not in self._ports:
                self._try_open(self._backend, name)

    def _try_open(self, backend: Backend, name: str) -> None:
        try:
            self._ports[name] = backend.open(name, lambda message: self._messages.put((message, self._clock())))
            self.problem = ""
        except Exception as error:  # noqa: BLE001 - of the driver: another program may hold the port
            self.problem = f"{name} cannot be opened ({error}). Close the program that uses it."

    def close(self) -> None:
        """Close all ports."""
        for port in self._ports.values():
            port.close()
        self._ports.clear()
