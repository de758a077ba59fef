"""The latency planner: L from its named terms, fixed before a stream starts.

    L = hop + lookahead + resampler + rack + limiter + compute + poll + block + fade    samples at the device's rate

A slot's chunk [r, r + hop) is complete when the block holding its last sample is handed over (`block`); the worker
sees that (`poll`), computes (`compute`), and what it writes then reaches up to r + hop less what codec, resampler,
effects and limiter keep back. The host side begins to fade `fade` samples before the data ends. Hence no hole if L is
the sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from realtime.timeline import FADE

POLL_S = 0.002  # the worker looks every 0.5 ms; the rest is for the system to wake it
COMPUTE_MARGIN = 1.25  # over the worst of the warm-up frames
MIN_COMPUTE_S = 0.003  # a shared core is late by this much now and then, however light the codec
SHARING = 2.0  # times longer, at most, does what exceeds that take while other programs want the cores
SPARE = 0.4  # of a hop, at most, is reserved for it: who is late by that for long does not keep up anyhow
QUEUE = 0.15  # hops more, up to a whole one, where frames take so much of one that slow ones pile up (`sharing`)


class LatencyError(Exception):
    """A latency that cannot be kept; `needed` is the least that can."""

    def __init__(self, message: str, needed: int) -> None:
        super().__init__(message)
        self.needed = needed


@dataclass(frozen=True)
class Need:
    """What one slot asks for; samples at the device's rate."""

    slot: int
    lane: int  # slots of one lane are computed together
    hop: int
    lookahead: int
    resampler: int
    limiter: int
    compute_s: float  # worst time for one frame of the lane
    rack: int = 0  # what the effects before and after the codec may keep back


@dataclass(frozen=True)
class Plan:
    """L, and the terms it is the sum of."""

    rate: int
    latency: int
    terms: dict[str, int]

    @property
    def milliseconds(self) -> float:
        return 1000.0 * self.latency / self.rate


def sharing(seconds: float, hop_s: float) -> float:
    """Seconds by which frames of `seconds`, one every `hop_s`, may be longer while other programs run beside them.

    A frame that takes the part r of a hop leaves 1 - r of it to catch up in, so slow ones wait for each other the
    longer, as in any queue: r / (1 - r) of what they vary by.
    """
    busy = min(seconds / hop_s, 0.99)
    spare = min(max(SPARE, QUEUE * busy / (1 - busy)), 1.0)
    return min(SHARING * max(0.0, seconds - MIN_COMPUTE_S), spare * hop_s)


def plan(needs: Sequence[Need], *, rate: int, block: int, latency: int = 0, waits: bool = False) -> Plan:
    """L for these slots: the largest over them; `latency` samples if that is more (the rest is `reserve`).

    Who `waits` for the worker needs no time for compute.
    """
    lanes = {need.lane: need for need in needs}
    best = {"block": block, "fade": FADE}
    for need in needs:
        others = sum(other.compute_s for lane, other in lanes.items() if lane != need.lane)
        waiting = 1 + math.floor(others * rate / need.hop)  # frames that pile up while the others compute
        compute = max(MIN_COMPUTE_S, COMPUTE_MARGIN * (others + waiting * need.compute_s))
        terms = {
            "hop": need.hop,
            "lookahead": need.lookahead,
            "resampler": need.resampler,
            "rack": need.rack,
            "limiter": need.limiter,
            "compute": 0 if waits else math.ceil(compute * rate),
            "poll": math.ceil(POLL_S * rate),
            "block": block,
            "fade": FADE,
        }
        best = max(best, terms, key=lambda t: sum(t.values()))
    needed = sum(best.values())
    if 0 < latency < needed:
        raise LatencyError(
            f"latency {latency} samples is less than the {needed} that these codecs need. "
            f"Pass --latency {needed} or more, or leave it out.",
            needed,
        )
    if latency > needed:
        best = {**best, "reserve": latency - needed}
    return Plan(rate, sum(best.values()), best)
