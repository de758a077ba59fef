"""The insert in a micro-host of CLAP: the same core, with events at exact samples."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from realtime.parameters.plugin_ports import NAMES, port_parameter, port_range
from tests.support.insert.clap_rig import ClapHost, ParamInfo, Params, PortInfo, Ports
from tests.support.insert.insert_rig import Engine, L, insert_files, noise, play, private_inserts, random_sizes


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClapHost]:
    with private_inserts(tmp_path, monkeypatch):
        made = ClapHost()
        yield made
        made.close()


def test_it_has_a_stereo_input_and_output(host: ClapHost) -> None:
    info = PortInfo()
    for is_input in (True, False):
        assert host.call("clap.audio-ports", Ports, "count", is_input) == 1
        assert host.call("clap.audio-ports", Ports, "get", 0, is_input, ctypes.addressof(info))
        assert (info.channels, info.type, info.flags) == (2, b"stereo", 1)


def test_its_parameters_are_those_of_the_table(host: ClapHost) -> None:
    assert host.call("clap.params", Params, "count") == len(NAMES)
    info = ParamInfo()
    for port in range(len(NAMES)):
        assert host.call("clap.params", Params, "info", port, ctypes.addressof(info))
        low, high, normal = info.low, info.high, info.normal
        assert (low, high, normal) == port_range(port_parameter(port))
        assert host.value(port) == normal


def test_values_are_shown_and_read_as_text(host: ClapHost) -> None:
    text, value = ctypes.create_string_buffer(64), ctypes.c_double()
    for port, number, expected in ((0, 3.0, b"delta"), (10, 0.0, b"off"), (10, 5.0, b"2"), (1, -3.5, b"-3.500")):
        assert host.call("clap.params", Params, "to_text", port, number, ctypes.addressof(text), 64)
        assert text.value == expected
        assert host.call("clap.params", Params, "from_text", port, expected, ctypes.addressof(value))
        assert value.value == number
    assert not host.call("clap.params", Params, "from_text", 0, b"loud", ctypes.addressof(value))


@pytest.mark.parametrize("sizes", [64, 256, "random"], ids=str)
def test_reported_latency_is_that_of_wet(host: ClapHost, sizes: int | str) -> None:
    host.activate()
    assert host.latency == L
    engine, x = Engine("pcm:gain=-1"), noise(30_000)
    out = play(host, engine, x, random_sizes() if isinstance(sizes, str) else itertools.repeat(sizes))
    assert not out[:, :L].any()
    assert np.array_equal(out[:, L:], -x[:, :-L])
    engine.close()


def test_an_event_holds_from_its_sample(host: ClapHost) -> None:
    """A ramp begins at the event's sample, in the middle of a block."""
    host.activate()
    ones = np.ones((2, L + 512), np.float32)
    host.run(ones)
    out = host.run(np.ones((2, 1000), np.float32), [(300, 0, 0.0), (300, 1, -60.0), (700, 1, 0.0)])
    assert (out[:, :300] == 1).all()
    assert (np.diff(out[0, 299:555]) < 0).all()
    assert out[0, 600] == pytest.approx(0.001, abs=1e-5)
    assert (out[0, 600:700] == out[0, 600]).all()
    assert (np.diff(out[0, 699:900]) > 0).all()


def test_state_keeps_identity_latency_and_values(host: ClapHost) -> None:
    host.activate()
    host.run(noise(10), [(0, 0, 2.0), (3, 5, 7.0)])
    (before,), state = insert_files(), host.save()
    host.close()
    again = ClapHost(state)
    assert (again.value(0), again.value(5), again.latency) == (2.0, 7.0, L)
    again.activate()
    assert insert_files() == [before]
    assert not again.load(b"nonsense")
    host.__init__()  # type: ignore[misc] # the fixture closes it
    again.close()
