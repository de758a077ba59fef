"""Output gains: write the monitor mix to a timeline, and fade it out at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence

from realtime.timeline.layout import Field, Timeline

FADE_OUT_S = 0.5  # most time to wait for the fade: a driver may have stopped calling
_BLOCK_POLLS = 1000  # a block takes microseconds; a driver that died in one is not waited for


def write_gains(timeline: Timeline, gains: Sequence[int]) -> int:
    """Write the gains on dry, A and B between two blocks; return the input sample from which they
    hold.

    A block that begins during the write may or may not use them; the block after it does.
    """
    for _ in range(_BLOCK_POLLS):
        started = timeline.load(Field.DRY_END)
        if started == timeline.load(Field.PLAYED_END):
            break
    for field, gain in zip((Field.GAIN_DRY, Field.GAIN_A, Field.GAIN_B), gains, strict=True):
        timeline.header[field] = gain
    return timeline.load(Field.DRY_END)


def fade_out(timeline: Timeline) -> None:
    """Ramp to silence and wait until that has been played, for at most FADE_OUT_S."""
    timeline.header[Field.GAIN_DRY : Field.GAIN_B + 1] = 0
    end = timeline.load(Field.DRY_END) + timeline[Field.MAX_BLOCK] + timeline[Field.FADE]
    deadline = time.perf_counter() + FADE_OUT_S
    while timeline.load(Field.PLAYED_END) < end and time.perf_counter() < deadline:
        time.sleep(0.002)
