"""Where a network computes, and why. No accelerator is needed: what one would answer is given."""

from __future__ import annotations

import math
import os

import pytest
import torch

from models import placement
from models.codec import CodecError
from models.load import calm_threads
from models.network import CoDiCodecNetwork
from models.placement import choose_device, place, probe, use_threads
from tests.small_codec import CONFIGS


def network() -> CoDiCodecNetwork:
    return CoDiCodecNetwork(CONFIGS["tiny"]).randomise(0)


@pytest.fixture
def _mps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


@pytest.mark.parametrize(("together", "threads"), [(0.5, 3), (0.9, 1), (20.0, 1)])
def test_every_core_is_used_only_where_that_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, together: float, threads: int
) -> None:
    monkeypatch.setattr(placement.os, "cpu_count", lambda: 3)
    monkeypatch.setattr(
        placement, "_one_frame", lambda network: (None, 1.0 if torch.get_num_threads() == 1 else together)
    )
    before = torch.get_num_threads()
    try:
        assert use_threads(network()) == torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_the_cpu_agrees_with_itself() -> None:
    assert probe(torch.device("cpu")) == 0


def test_a_device_that_gives_no_results_is_infinitely_wrong() -> None:
    assert probe(torch.device("meta")) == math.inf


@pytest.mark.usefixtures("_mps")
def test_mps_with_wrong_results_is_refused_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "probe", lambda device: 0.25)
    device, why = choose_device(None)
    assert (device.type, why) == ("cpu", "mps refused, its results are off by 0.25; the CPU is right")
    with pytest.raises(CodecError, match="computes wrongly here"):
        choose_device("mps")


@pytest.mark.usefixtures("_mps")
def test_mps_with_right_results_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "probe", lambda device: 2e-6)
    assert choose_device(None) == (torch.device("mps"), "agrees with the CPU to 2e-06")


def test_a_device_that_is_not_here_is_refused_with_those_that_are() -> None:
    with pytest.raises(CodecError, match=r'device "tpu" not here; this machine has \[.*\'cpu\'\]'):
        place(network(), device="tpu")


def test_an_unknown_precision_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CodecError, match="'float32', 'bfloat16', 'auto'"):
        place(network(), precision="int4")


def test_bfloat16_states_its_error_and_keeps_codes_and_spectra_in_float32() -> None:
    net = network()
    reason = place(net, "cpu", "bfloat16")
    assert net.dtype == torch.bfloat16
    assert net.noise.vector[0].weight.dtype == torch.float32
    for words in ("cpu, bfloat16", "x the speed of float32", "codes off by at most", "% of tokens changed", "dB"):
        assert words in reason
    assert net.encode(torch.zeros(1, 4, net.config.bins, net.config.columns)).dtype == torch.float32


@pytest.mark.parametrize(("faster", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_takes_bfloat16_only_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, faster: bool, expected: torch.dtype
) -> None:
    frame = placement._one_frame
    seconds = {torch.float32: 1.0, torch.bfloat16: 0.5 if faster else 2.0}
    monkeypatch.setattr(placement, "_one_frame", lambda net: (frame(net)[0], seconds[net.dtype]))
    net = network()
    reason = place(net, "cpu", "auto")
    assert net.dtype == expected
    assert ("would be" in reason) == (not faster)


@pytest.mark.parametrize(("preferred", "spins"), [(False, "2000"), (True, "200000")])
def test_threads_wait_awake_for_longer_where_the_system_prefers_them(
    monkeypatch: pytest.MonkeyPatch, preferred: bool, spins: str
) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "")  # to be as before after it
    monkeypatch.delenv("GOMP_SPINCOUNT")
    calm_threads(preferred=preferred)
    calm_threads()
    assert os.environ["GOMP_SPINCOUNT"] == spins


def test_how_long_threads_wait_awake_is_the_players_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    calm_threads(preferred=True)
    assert os.environ["GOMP_SPINCOUNT"] == "7"
