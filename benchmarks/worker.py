"""Cost of the worker beyond the codec, as a share of the hop."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.report import Row
from models.load import load
from realtime.timeline.layout import Field, Timeline
from realtime.timeline.playout import Playout
from realtime.worker.codec_lane import CodecLane
from realtime.worker.scheduler import Worker

BLOCK, FRAMES = 256, 2000


def measure() -> list[Row]:
    """Return the worker's cost beyond encode and decode, for each hop, with both slots in use."""
    rows = []
    for label, first, second, rate in (
        ("opus:6 + opus:24, 48 kHz", "opus:6", "opus:24", 48_000),
        ("opus:24 in both slots, 48 kHz", "opus:24", "opus:24", 48_000),
        ("opus:24 in both slots, resampled from 44.1 kHz", "opus:24", "opus:24", 44_100),
    ):
        rows.append(Row(f"worker beyond the codec, {label}", _overhead(first, second, rate), "% of a hop", "< 2"))
    return rows


def _overhead(first: str, second: str, rate: int) -> float:
    timeline = Timeline.create(rate=rate, latency=8192, max_block=BLOCK)
    try:
        slots: dict[str, list[tuple[int, str]]] = {}
        for slot, name in enumerate((first, second)):
            slots.setdefault(name, []).append((slot, "discrete"))
        lanes = [CodecLane(load(name), chains, rate) for name, chains in slots.items()]
        host, worker = Playout(timeline), Worker(timeline, lanes)
        inp = (np.random.default_rng(0).standard_normal((BLOCK, 2)) * 0.1).astype(np.float32)
        out, spent = np.empty_like(inp), 0.0
        blocks = FRAMES * lanes[0].hop // BLOCK
        for number in range(blocks):
            host.process(inp, out)
            if number == blocks // 10:  # the rest is warm
                spent, before = 0.0, sum(lane.codec_seconds for lane in lanes)
            started = time.perf_counter()
            while worker.step():
                pass
            spent += time.perf_counter() - started
        codec = sum(lane.codec_seconds for lane in lanes) - before
        if dropped := timeline[Field.DROPPED_SAMPLES]:
            raise RuntimeError(f"{dropped} samples were dropped, so the times are not valid")
        worker.finish()
        host.close()
    finally:
        timeline.close()
    audio_s = (blocks - blocks // 10) * BLOCK / rate
    return 100 * (spent - codec) / audio_s
