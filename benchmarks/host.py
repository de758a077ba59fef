"""Cost of the audio thread for a block, and speed of the shared rings."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.report import Row
from realtime.timeline.layout import GAIN_ONE, WET_END, Field, Timeline
from realtime.timeline.playout import Playout

BLOCK, BLOCKS = 256, 20_000


def measure() -> list[Row]:
    """Return the median and p99.9 of a stereo block, and the speed of a ring.

    Blocks have 256 samples, with A, B and delta on the monitor.
    """
    gains: tuple[tuple[Field, float], ...] = ((Field.GAIN_DRY, 1.0), (Field.GAIN_A, -0.5), (Field.GAIN_B, 0.5))
    timeline = Timeline.create(rate=48_000, latency=4096, max_block=BLOCK)
    try:
        host = Playout(timeline)
        timeline.store(Field.STREAM_ACK, timeline[Field.STREAM_ID])
        for field, part in gains:
            timeline.header[field] = round(part * GAIN_ONE)
        inp = np.random.default_rng(0).standard_normal((BLOCK, 2)).astype(np.float32)
        out, taken = np.empty_like(inp), []
        for _ in range(BLOCKS):
            for end in WET_END:
                timeline.store(end, host.position)
            started = time.perf_counter_ns()
            host.process(inp, out)
            taken.append(time.perf_counter_ns() - started)
        ramping = []
        for number in range(BLOCKS // 10):
            timeline.header[Field.GAIN_A] = (number % 2) * GAIN_ONE
            for end in WET_END:
                timeline.store(end, host.position)
            started = time.perf_counter_ns()
            host.process(inp, out)
            ramping.append(time.perf_counter_ns() - started)
        audio = np.random.default_rng(0).standard_normal((2, 1024)).astype(np.float32)
        back = np.empty_like(audio)
        ring_started = time.perf_counter()
        for number in range(5000):
            timeline.write(1, number * 1024, audio)
            timeline.read(1, number * 1024, back)
        ring_s = time.perf_counter() - ring_started
        host.close()
    finally:
        timeline.close()
    return [
        Row("host side, stereo block of 256, A + B + delta, median", float(np.median(taken)) / 1000, "µs", "<= 5"),
        Row("host side, the same, p99.9", float(np.percentile(taken, 99.9)) / 1000, "µs"),
        Row("host side, the same while a gain ramps, median", float(np.median(ramping)) / 1000, "µs"),
        Row("ring, stereo samples written and read, chunks of 1024", 5000 * 1024 / ring_s / 1e6, "M samples/s"),
    ]
