"""Driving a worker by hand, in one thread, in the stream's own time: no sleeping, nothing left to chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from models.load import load
from realtime.callback import HostSide
from realtime.lane import Lane
from realtime.timeline import Timeline
from realtime.worker import Worker


def lanes_of(*names: str, rate: int = 48_000) -> list[Lane]:
    """A lane for each codec, slots A and B in order."""
    return [Lane(load(name, rate=rate), [(slot, "discrete")], rate) for slot, name in enumerate(names)]


def run_worker(worker: Worker) -> None:
    """Let it do all it can."""
    while worker.step():
        pass


def play(
    host: HostSide, audio: np.ndarray, blocks: Sequence[int], worker: Worker | None
) -> Iterator[tuple[int, np.ndarray]]:
    """Play audio [T, 2] in blocks of these sizes, over and over: (first sample, output). The worker never lags."""
    at, turn = 0, 0
    while at < len(audio):
        inp = np.ascontiguousarray(audio[at : at + blocks[turn % len(blocks)]])
        out = np.empty_like(inp)
        host.process(inp, out)
        yield at, out
        if worker:
            run_worker(worker)
        at, turn = at + len(inp), turn + 1


def play_all(host: HostSide, audio: np.ndarray, blocks: Sequence[int], worker: Worker | None) -> np.ndarray:
    """The whole output, [T, 2]."""
    return np.concatenate([out for _, out in play(host, audio, blocks, worker)])


def wet_of(timeline: Timeline, slot: int, start: int, count: int) -> np.ndarray:
    """Samples of a wet ring, [count, 2]."""
    out = np.empty((2, count), np.float32)
    timeline.read(1 + slot, start, out)
    return out.T


def noise(size: int, seed: int = 0) -> np.ndarray:
    """[size, 2], below full scale."""
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (size, 2)).astype(np.float32)
