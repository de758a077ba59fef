"""Bookkeeping around CUDA graphs, tested with a capture that runs on any device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree

from models.codicodec import cuda_graphs, device
from models.codicodec.config import CoDiCodecConfig
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.sampling import ConditionCache, DecodedFrame, DecodeJob, decode_frames

captured: list[int] = []


def rerun(run: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
    """Substitute for a CUDA graph: a replay runs the function again and copies its outputs."""
    captured.append(1)
    found = run()

    def replay() -> None:
        for mine, new in zip(pytree.tree_leaves(found), pytree.tree_leaves(run()), strict=True):
            mine.copy_(new)

    return replay, found


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def decode(network: CoDiCodecNetwork, frames: int) -> list[DecodedFrame]:
    config, conditions = network.config, ConditionCache(network)
    generator = torch.Generator().manual_seed(0)
    past, found = None, []
    for _ in range(frames):
        codes = network.encode(torch.randn(1, 4, config.bins, config.columns, generator=generator))
        (past,) = decode_frames(conditions, [DecodeJob(codes, past, 2, 0.4, generator)])
        found.append(past)
    return found


def test_a_stream_through_replayed_methods_equals_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graphs, "capture_graph", rerun)
    expected = decode(CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0), 4)
    network = CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0)
    for _ in range(2):  # the second time changes nothing
        cuda_graphs.use_cuda_graphs(network)
    captured.clear()
    found = decode(network, 4)
    assert len(captured) == len(cuda_graphs.GRAPHED_METHODS), "each part is captured once, however many frames"
    for mine, theirs in zip(found, expected, strict=True):
        assert torch.equal(mine.spectrum, theirs.spectrum)
        assert all(
            torch.equal(*maps) for maps in zip(mine.features.skip_features, theirs.features.skip_features, strict=True)
        )


def test_another_batch_size_is_captured_separately() -> None:
    network = CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0)
    encode = cuda_graphs.GraphedFunction(network.encode, rerun)
    captured.clear()
    for batch in (1, 2, 1, 2):
        spectrum = torch.randn(batch, 4, network.config.bins, network.config.columns)
        assert torch.equal(encode(spectrum), network.encode(spectrum))
    assert len(captured) == 2


@pytest.mark.hardware
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_cpus_stream() -> None:
    expected = device.evaluate(CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0))
    network = CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0).to("cuda")
    cuda_graphs.use_cuda_graphs(network)
    for _ in range(2):  # captured, then replayed
        for mine, theirs in zip(device.evaluate(network), expected, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=0)
