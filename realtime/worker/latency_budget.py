"""Latency planner: L as a sum of named terms, fixed before a stream starts.

    L = hop + lookahead + resampler + rack + limiter + compute + poll + block + fade

All terms are samples at the device's rate.

A slot's chunk [r, r + hop) is complete when the block with its last sample is handed over
(`block`). The worker notices that (`poll`) and computes (`compute`); its output then reaches up to
r + hop less the latency of codec, resampler, effects and limiter. The host side begins to fade
`fade` samples before the data ends. There is therefore no dropout if L is the sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from realtime.timeline.layout import FADE

POLL_S = 0.002  # the worker polls every 0.5 ms; the rest is for the system to wake it
COMPUTE_MARGIN = 1.25  # over the slowest warm-up frame
MIN_COMPUTE_S = 0.003  # a shared core is delayed by this much now and then, however light the codec
CONTENTION_FACTOR = 2.0  # seconds of margin per second of compute beyond MIN_COMPUTE_S, for other programs
MAX_MARGIN_HOPS = 0.4  # most margin in hops; a worker that is later for long cannot keep up anyhow
QUEUEING_GAIN = 0.15  # hops of margin per r / (1 - r), up to one hop, where slow frames queue up


class LatencyError(Exception):
    """Requested latency that is too short; `needed` is the minimum in samples."""

    def __init__(self, message: str, needed: int) -> None:
        super().__init__(message)
        self.needed = needed


@dataclass(frozen=True)
class LatencyRequirement:
    """Latency terms of one slot, in samples at the device's rate."""

    slot: int
    lane: int  # slots of one lane are computed together
    hop: int
    lookahead: int
    resampler: int
    limiter: int
    compute_s: float  # longest time for one frame of the lane
    rack: int = 0  # latency of the effects before and after the codec
    load: float = 0.0  # × real time, typical: from 1 on, no latency is enough


@dataclass(frozen=True)
class LatencyBudget:
    """L in samples and the terms that it is the sum of."""

    rate: int
    latency: int
    terms: dict[str, int]

    @property
    def milliseconds(self) -> float:
        """L in milliseconds."""
        return 1000.0 * self.latency / self.rate


def contention_margin(seconds: float, hop_s: float) -> float:
    """Return the extra seconds by which frames may take longer while other programs run.

    A frame of `seconds` every `hop_s` uses the fraction r of a hop and leaves 1 - r to catch up.
    Slow frames therefore queue as in any queue, for r / (1 - r) times their variation.
    """
    busy = min(seconds / hop_s, 0.99)
    margin_hops = min(max(MAX_MARGIN_HOPS, QUEUEING_GAIN * busy / (1 - busy)), 1.0)
    return min(CONTENTION_FACTOR * max(0.0, seconds - MIN_COMPUTE_S), margin_hops * hop_s)


def plan(
    needs: Sequence[LatencyRequirement],
    *,
    rate: int,
    block: int,
    latency: int = 0,
    fixed: bool = False,
    host_waits: bool = False,
) -> LatencyBudget:
    """Return L for these slots: the largest sum over them, or `latency` samples if that is more.

    The surplus is the term `reserve`. A host that waits for the worker needs no time for `compute`.
    With `fixed`, L cannot be more than `latency`: raises LatencyError if it would be.
    """
    slots = slot_terms(needs, rate=rate, block=block, host_waits=host_waits)
    best = max(({"block": block, "fade": FADE}, *slots.values()), key=lambda terms: sum(terms.values()))
    needed = sum(best.values())
    if fixed and needed > latency:
        raise LatencyError(
            f"these codecs need a latency of {in_ms(needed, rate)}; {in_ms(latency, rate)} are reserved.", needed
        )
    if latency > needed:
        best = {**best, "reserve": latency - needed}
    return LatencyBudget(rate, sum(best.values()), best)


def slot_terms(
    needs: Sequence[LatencyRequirement], *, rate: int, block: int, host_waits: bool = False
) -> dict[int, dict[str, int]]:
    """Return the latency terms of each slot in samples, by the slot's number."""
    lanes = {need.lane: need for need in needs}
    found = {}
    for need in needs:
        others = sum(other.compute_s for lane, other in lanes.items() if lane != need.lane)
        # lanes compute at the same time: on a shared core, each of the others takes at most as long meanwhile
        shared = min(others, (len(lanes) - 1) * need.compute_s)
        compute = max(MIN_COMPUTE_S, COMPUTE_MARGIN * (need.compute_s + shared))
        found[need.slot] = {
            "hop": need.hop,
            "lookahead": need.lookahead,
            "resampler": need.resampler,
            "rack": need.rack,
            "limiter": need.limiter,
            "compute": 0 if host_waits else math.ceil(compute * rate),
            "poll": math.ceil(POLL_S * rate),
            "block": block,
            "fade": FADE,
        }
    return found


def in_ms(samples: int, rate: int) -> str:
    """Return a number of samples as text, with milliseconds."""
    return f"{samples} samples ({1000 * samples / rate:.1f} ms)"


def raised_message(asked: int, budget: LatencyBudget) -> str:
    """Return a line for the user if L had to be more than the `asked` samples; else ""."""
    if not 0 < asked < budget.latency:
        return ""
    asked_text, raised = in_ms(asked, budget.rate), in_ms(budget.latency, budget.rate)
    return f"latency raised from {asked_text} to {raised}: these codecs need it on this machine"
