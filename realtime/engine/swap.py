"""Swap of a running stream's worker: another codec for a slot, or another worker for a failed lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from realtime.engine.rack_change import RackChange
from realtime.parameters.table import PARAMETERS
from realtime.worker import latency_budget
from realtime.worker.handle import EngineError, WorkerHandle
from realtime.worker.latency_budget import LatencyError, LatencyRequirement, in_ms
from realtime.worker.messages import CodecLoaded, CodecsReady, EffectsChanged, LoadCodecs, SlotInfo

MAX_LATENCY = int(PARAMETERS["latency"].high or 0)  # samples


@dataclass(frozen=True)
class Swap:
    """Worker that loads another codec for a slot, or other effects, while the stream runs.

    Without a slot and effects, it replaces a worker of which a lane has failed.
    """

    worker: WorkerHandle
    request: LoadCodecs
    slot: int | None = None
    codec: str = ""
    ticket: int = 0
    effects: RackChange | None = None

    @property
    def repairs(self) -> bool:
        """True if it changes nothing but replaces a failed lane."""
        return self.slot is None and self.effects is None

    def wait_ready(self, rate: int, block: int, latency: int) -> CodecsReady:
        """Return what the new worker needs, once it is ready.

        Raises EngineError if it does not load, and as `check_latency` if it changes anything.
        """
        ready = self.worker.wait_ready()
        if not self.repairs:
            needs = [need for need in ready.needs if self.slot in (None, need.slot)]  # the other slot plays already
            check_latency(needs, rate, block, latency)
        return ready

    def failed(self, reason: str, needed: int = 0, offer: str = "") -> list[object]:
        """Return the events that tell its failure; `needed` is the latency to restart with, or 0,
        and `offer` another way out.
        """
        if self.effects:
            return [EffectsChanged(self.effects.racks, reason, needed, offer)]
        if self.slot is None:
            return []
        return [CodecLoaded(self.slot, self.codec, self.ticket, reason, needed, offer)]


def check_latency(needs: Sequence[LatencyRequirement], rate: int, block: int, latency: int) -> None:
    """Raise LatencyError if the codecs fit with more latency, EngineError if they never do."""
    needed = latency_budget.plan(needs, rate=rate, block=block).latency
    if needed <= latency:
        return
    load = max(need.load for need in needs)
    if load >= 1.0 or needed > MAX_LATENCY:
        raise EngineError(
            f"its frames take {load:.2f} × real time just now, so no latency is enough. "
            "Close other programs, take fewer steps or a smaller codec, or render a file."
        )
    raise LatencyError(
        f"it needs a latency of {in_ms(needed, rate)}, this stream has {in_ms(latency, rate)}. "
        f"Restart with latency {needed}.",
        needed,
    )


def resolved(request: LoadCodecs, playing: Sequence[SlotInfo]) -> LoadCodecs:
    """Return the request with slide=auto replaced by the choice that the codec made.

    The next worker must repeat that choice.
    """
    chosen = {p.slot: p.spec.name.rpartition(":")[2] for p in playing}
    return replace(request, slots=tuple((s, c.replace("slide=auto", chosen[s]), p) for s, c, p in request.slots))


def with_codec(request: LoadCodecs, slot: int, codec: str, path: str | None) -> LoadCodecs:
    """Return the request with another codec in a slot."""
    return replace(request, slots=tuple((s, codec, path) if s == slot else (s, c, p) for s, c, p in request.slots))
