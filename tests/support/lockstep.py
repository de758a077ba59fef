"""Lockstep rig: playout and worker in one thread and in the stream's own time, without sleeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from models.load import load
from realtime.timeline.layout import Timeline
from realtime.timeline.playout import Playout
from realtime.worker.codec_lane import CodecLane
from realtime.worker.scheduler import Worker

NEVER_NS = 1 << 60  # STALL_NS of a timeline in lockstep: the machine may pause between two steps


def lanes_of(*names: str, rate: int = 48_000) -> list[CodecLane]:
    """Return a lane for each codec, for slots A and B in order."""
    return [CodecLane(load(name, rate=rate), [(slot, "discrete")], rate) for slot, name in enumerate(names)]


def run_worker(worker: Worker) -> None:
    """Step until no frame is complete."""
    while worker.step():
        pass


def play(
    host: Playout, audio: np.ndarray, blocks: Sequence[int], worker: Worker | None
) -> Iterator[tuple[int, np.ndarray]]:
    """Play audio [T, 2] in blocks of these sizes, repeated; yield (first sample, output [n, 2]).

    The worker never lags.
    """
    at, turn = 0, 0
    while at < len(audio):
        inp = np.ascontiguousarray(audio[at : at + blocks[turn % len(blocks)]])
        out = np.empty_like(inp)
        host.process(inp, out)
        yield at, out
        if worker:
            run_worker(worker)
        at, turn = at + len(inp), turn + 1


def play_all(host: Playout, audio: np.ndarray, blocks: Sequence[int], worker: Worker | None) -> np.ndarray:
    """Play audio [T, 2] to the end; return the output [T, 2]."""
    return np.concatenate([out for _, out in play(host, audio, blocks, worker)])


def wet_of(timeline: Timeline, slot: int, start: int, count: int) -> np.ndarray:
    """Return samples of a wet ring, [count, 2]."""
    out = np.empty((2, count), np.float32)
    timeline.read(1 + slot, start, out)
    return out.T


def noise(size: int, seed: int = 0) -> np.ndarray:
    """Return noise [size, 2] below full scale."""
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (size, 2)).astype(np.float32)
