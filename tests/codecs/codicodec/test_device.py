"""Choice of device, precision and threads. No accelerator is needed: its results are simulated."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
import torch

from models.codec import CodecError
from models.codicodec import device as placement
from models.codicodec.device import choose_device, choose_threads, place_network, probe
from models.codicodec.network import CoDiCodecNetwork
from models.cores import cores_are_free, usable_cores
from models.load import limit_openmp_spinning
from tests.support.small_codec import CONFIGS


def network() -> CoDiCodecNetwork:
    return CoDiCodecNetwork(CONFIGS["tiny"]).randomise(0)


@pytest.fixture
def _mps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


@pytest.mark.parametrize(
    ("free", "together", "threads"), [(True, 0.5, 3), (True, 0.9, 1), (True, 20.0, 1), (False, 0.5, 1)]
)
def test_every_core_is_used_only_where_it_is_free_and_that_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, free: bool, together: float, threads: int
) -> None:
    monkeypatch.setattr(placement, "cores_are_free", lambda: free)
    monkeypatch.setattr(placement, "usable_cores", lambda: 3)
    monkeypatch.setattr(
        placement, "time_frame", lambda network: (None, 1.0 if torch.get_num_threads() == 1 else together)
    )
    before = torch.get_num_threads()
    try:
        assert choose_threads(network()) == torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("some avg10=12.50 avg60=90.00 avg300=1.00 total=1\nfull avg10=99.00 avg60=0 avg300=0 total=0\n", True),
        ("some avg10=88.36 avg60=0.00 avg300=1.00 total=1\n", False),
    ],
)
def test_cores_are_free_unless_tasks_wait_for_them(tmp_path: Path, text: str, free: bool) -> None:
    (tmp_path / "cpu").write_text(text)
    assert cores_are_free(tmp_path / "cpu") == free


def test_without_pressure_the_load_average_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for load, free in ((0.5, True), (64.0 * usable_cores(), False)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert cores_are_free(tmp_path / "missing") == free


def test_the_cpu_agrees_with_itself() -> None:
    assert probe(torch.device("cpu")) == 0


def test_a_device_that_cannot_compute_has_an_infinite_error() -> None:
    assert probe(torch.device("meta")) == math.inf


@pytest.mark.usefixtures("_mps")
def test_mps_with_wrong_results_is_refused_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "probe", lambda device: 0.25)
    device, why = choose_device(None)
    assert (device.type, why) == (
        "cpu",
        "mps refused, it computes wrongly, its results are off by 0.25; the CPU is correct",
    )
    with pytest.raises(CodecError, match=r"computes wrongly, its results are off by 0\.25 here"):
        choose_device("mps")


@pytest.mark.usefixtures("_mps")
def test_mps_with_correct_results_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "probe", lambda device: 2e-6)
    assert choose_device(None) == (torch.device("mps"), "agrees with the CPU to 2e-06")


def test_a_missing_device_is_refused_and_the_available_ones_are_named() -> None:
    with pytest.raises(CodecError, match=r'device "tpu" is not available\. This machine has .*cpu'):
        place_network(network(), device="tpu")


def test_an_unknown_precision_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CodecError, match="float32, bfloat16, auto"):
        place_network(network(), precision="int4")


def test_bfloat16_states_its_error_and_keeps_codes_and_spectra_in_float32() -> None:
    net = network()
    reason = place_network(net, "cpu", "bfloat16")
    assert net.dtype == torch.bfloat16
    assert net.noise.vector[0].weight.dtype == torch.float32
    for words in ("cpu, bfloat16", "x the speed of float32", "codes off by at most", "% of tokens changed", "dB"):
        assert words in reason
    assert net.encode(torch.zeros(1, 4, net.config.bins, net.config.columns)).dtype == torch.float32


@pytest.mark.parametrize(("faster", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_uses_bfloat16_only_if_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, faster: bool, expected: torch.dtype
) -> None:
    frame = placement.time_frame
    seconds = {torch.float32: 1.0, torch.bfloat16: 0.5 if faster else 2.0}
    monkeypatch.setattr(placement, "time_frame", lambda net: (frame(net)[0], seconds[net.dtype]))
    net = network()
    reason = place_network(net, "cpu", "auto")
    assert net.dtype == expected
    assert ("would be" in reason) == (not faster)


@pytest.mark.parametrize(("preferred", "spins"), [(False, "2000"), (True, "200000")])
def test_threads_spin_longer_in_a_preferred_process(
    monkeypatch: pytest.MonkeyPatch, preferred: bool, spins: str
) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "")  # restored after the test
    monkeypatch.delenv("GOMP_SPINCOUNT")
    limit_openmp_spinning(preferred=preferred)
    limit_openmp_spinning()
    assert os.environ["GOMP_SPINCOUNT"] == spins


def test_the_environment_can_set_the_spin_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    limit_openmp_spinning(preferred=True)
    assert os.environ["GOMP_SPINCOUNT"] == "7"
