"""Choice of the JACK library: PipeWire's only where PipeWire runs and no jackd does."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from realtime.system.platform import jack_library
from realtime.system.platform.jack_library import choose_library

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="PipeWire is Linux's")


class Machine:
    """Runtime directory with sockets, and a place with PipeWire's library."""

    def __init__(self, place: Path) -> None:
        self.place, self.environment = place, {"XDG_RUNTIME_DIR": str(place)}
        self.library = place / "pipewire-0.3" / "jack" / "libjack.so.0"
        self.library.parent.mkdir(parents=True)
        self.library.touch()
        self.open = ExitStack()

    def listen(self, name: str) -> socket.socket:
        server = self.open.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        server.bind(str(self.place / name))
        server.listen()
        return server

    def choice(self, **environment: str) -> str | None:
        return choose_library({**self.environment, **environment})


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    made = Machine(tmp_path)
    monkeypatch.setattr(jack_library, "PLACES", (f"{tmp_path}/pipewire-*/jack",))
    monkeypatch.setattr(jack_library, "JACKD_SOCKETS", tmp_path)
    with made.open:
        yield made


def test_pipewires_library_is_taken_where_its_server_runs(machine: Machine) -> None:
    assert machine.choice() is None
    machine.listen("pipewire-0")
    assert machine.choice() == str(machine.library)
    assert machine.choice(PIPEWIRE_REMOTE="other") is None


def test_a_jackd_of_this_user_comes_first(machine: Machine) -> None:
    machine.listen("pipewire-0")
    jackd = machine.listen(f"jack_default_{os.getuid()}_0")
    assert machine.choice() is None
    jackd.close()  # its socket stays as a file, as after a crash
    assert machine.choice() == str(machine.library)


def test_a_jack_server_of_the_environment_comes_first(machine: Machine) -> None:
    machine.listen("pipewire-0")
    assert machine.choice(JACK_DEFAULT_SERVER="mine") is None


def test_without_the_library_of_pipewire_the_systems_is_used(machine: Machine) -> None:
    machine.listen("pipewire-0")
    machine.library.unlink()
    assert machine.choice() is None


def test_a_library_that_does_not_load_is_left_out(tmp_path: Path) -> None:
    broken = tmp_path / "libjack.so.0"
    broken.write_bytes(b"not a library")
    jack_library.load_library(str(broken))
    jack_library.load_library(None)
