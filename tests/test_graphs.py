"""Captured parts of a network: the bookkeeping around CUDA graphs, with a capture that runs anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree

from models import graphs, placement
from models.config import CoDiCodecConfig
from models.decoding import Conditions, Past, Task, advance
from models.network import CoDiCodecNetwork

captured: list[int] = []


def rerun(run: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
    """In place of a CUDA graph: what it fills is filled by running it again, reading the held inputs."""
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


def decode(network: CoDiCodecNetwork, frames: int) -> list[Past]:
    config, conditions = network.config, Conditions(network)
    generator = torch.Generator().manual_seed(0)
    past, found = None, []
    for _ in range(frames):
        codes = network.encode(torch.randn(1, 4, config.bins, config.columns, generator=generator))
        (past,) = advance(conditions, [Task(codes, past, 2, 0.4, generator)])
        found.append(past)
    return found


def test_a_stream_through_replayed_parts_is_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "capture", rerun)
    expected = decode(CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0), 4)
    network = CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0)
    for _ in range(2):  # the second time changes nothing
        graphs.replay_parts(network)
    captured.clear()
    found = decode(network, 4)
    assert len(captured) == len(graphs.PARTS), "each part is captured once, however many frames"
    for mine, theirs in zip(found, expected, strict=True):
        assert torch.equal(mine.spectrum, theirs.spectrum)
        assert all(torch.equal(*taps) for taps in zip(mine.features.taps, theirs.features.taps, strict=True))


def test_another_batch_is_another_capture() -> None:
    network = CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0)
    encode = graphs.Replayed(network.encode, rerun)
    captured.clear()
    for batch in (1, 2, 1, 2):
        spectrum = torch.randn(batch, 4, network.config.bins, network.config.columns)
        assert torch.equal(encode(spectrum), network.encode(spectrum))
    assert len(captured) == 2


@pytest.mark.hardware
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_it_is_the_cpus_stream() -> None:
    expected = placement._evaluate(CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0))
    network = CoDiCodecNetwork(CoDiCodecConfig.tiny()).randomise(0).to("cuda")
    graphs.replay_parts(network)
    for _ in range(2):  # captured, then replayed
        for mine, theirs in zip(placement._evaluate(network), expected, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-3, rtol=0)
