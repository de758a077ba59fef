"""`verdigris bench gpu`: without a GPU it says why; its code runs with the CPU in a GPU's place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu
from models.codec import CodecError
from models.codicodec import cuda_graphs
from models.codicodec.checkpoint import save
from models.codicodec.config import CoDiCodecConfig
from models.codicodec.network import CoDiCodecNetwork
from tests.codecs.codicodec.test_cuda_graphs import rerun
from tests.support.desk import Desk

torch.set_num_threads(1)


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    path = tmp_path / "tiny.safetensors"
    save(CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0), path)
    return str(path)


def test_without_a_gpu_the_command_says_why_in_one_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for problem, says in (("", "torch sees none"), ("the driver is too old", "the driver is too old")):
        monkeypatch.setattr(gpu, "cuda_available", lambda problem=problem: (False, problem))
        assert f"no GPU can be used: {says}" in desk.refused("bench", "gpu")


def test_every_part_runs_with_the_cpu_in_a_gpus_place(monkeypatch: pytest.MonkeyPatch, tiny: str) -> None:
    monkeypatch.setattr(cuda_graphs, "capture_graph", rerun)
    monkeypatch.setattr(gpu, "REPEATS", 2)
    monkeypatch.setattr(gpu, "PRECISIONS", ("float32",))
    found = gpu.measure("cpu", [tiny], [], graphs=cuda_graphs.use_cuda_graphs)
    (row,) = found["networks"]
    assert row["codes_off"] == row["graphs_off"] == row["tokens_changed"] == 0
    assert row["frame_ms"] > 0
    assert [kind["memory"] for kind in found["transfers"]] == ["pinned", "ordinary"]
    assert gpu.complaints(found) == []
    text = gpu.markdown(json.loads(json.dumps(found)))
    assert "tiny.safetensors | float32" in text


@pytest.mark.slow
def test_a_codec_is_played_live_and_its_report_read() -> None:
    row = gpu.live_row("pcm", 1.0)
    assert row["p50"] >= 0
    assert row["latency_ms"] > 0
    assert "problem" in gpu.live_row("nonsense", 1.0)


def table(**changes: Any) -> dict[str, Any]:
    row = {
        "network": "codicodec:random", "precision": "bfloat16", "codes_off": 0.05, "graphs_off": 0.0,
        "frame_graphs_ms": 8.0,
    }  # fmt: skip
    played = {"codec": "nano", "misses": {"late": 0, "xrun": 0}}
    return {
        "networks": [row | {key: value for key, value in changes.items() if key in row}],
        "live": [played | {key: value for key, value in changes.items() if key not in row}],
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ""),
        ({"graphs_off": 0.1}, "graphs change the result by 0.1"),
        ({"frame_graphs_ms": 12.0}, "12.0 ms a frame, more than 10"),
        ({"precision": "float32"}, "codes are off by 0.05"),
        ({"misses": {"late": 3, "xrun": 0}}, "live nano: dropouts late 3"),
        ({"problem": "exit code 1: no"}, "live nano: exit code 1: no"),
    ],
)
def test_what_is_not_as_it_should_be_is_told(changes: dict[str, Any], says: str) -> None:
    assert says in "; ".join(gpu.complaints(table(**changes)))
    assert bool(gpu.complaints(table(**changes))) == bool(says)


@pytest.mark.hardware
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_is_as_it_should_be() -> None:
    assert gpu.complaints(gpu.measure(live=["nano:discrete"], seconds=10.0)) == []


def test_a_device_that_torch_does_not_know_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "cuda_available", lambda: (False, ""))
    with pytest.raises(CodecError, match="Run this on a machine that has one"):
        gpu.measure()
