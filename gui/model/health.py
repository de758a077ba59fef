"""Health of the stream as one line: its state, and what to do about it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gui.model.message_list import Level
from gui.model.wording import milliseconds
from realtime.client import ClientState

RECENT_S = 10.0  # for which a dropout counts as recent
MORE_LATENCY = 1.5  # factor of the latency that is offered where the reserve runs out
KINDS = {
    "late": "a codec was late",
    "stalled": "the codecs stalled",
    "died": "the codecs were loaded again",
    "xrun": "this machine was late",
}


@dataclass(frozen=True)
class Facts:
    """Facts of one moment that the health follows from."""

    state: str
    stalled: bool = False
    load: float = 0.0  # compute time over audio time, median
    short: bool = False  # little output is buffered
    latency: int = 0  # samples
    rate: int = 0  # Hz
    dropouts: dict[str, int] = field(default_factory=dict)
    steps: int = 1  # of the slot with the most
    muted: bool = False
    bypassed: bool = False


@dataclass(frozen=True)
class Health:
    """Line of health. `remedy` names a button: "start", "latency", "steps", "unmute" or ""."""

    level: Level
    text: str
    remedy: str = ""
    latency: int = 0  # samples to restart with, where the remedy is "latency"


class HealthWatch:
    """Keeps the dropouts of the last seconds. Call `judge` at each tick."""

    def __init__(self) -> None:
        self._before: dict[str, int] = {}
        self._recent: deque[tuple[float, str, int]] = deque()

    def judge(self, facts: Facts, now: float) -> Health:
        """Return the health; `now` in seconds."""
        self._count(facts.dropouts, now)
        return _without_stream(facts) or self._while_playing(facts)

    def _count(self, dropouts: dict[str, int], now: float) -> None:
        for kind, count in dropouts.items():
            if (new := count - self._before.get(kind, count)) > 0:
                self._recent.append((now, kind, new))
        self._before = dict(dropouts)
        while self._recent and now - self._recent[0][0] > RECENT_S:
            self._recent.popleft()

    def _while_playing(self, facts: Facts) -> Health:
        more = round(MORE_LATENCY * facts.latency)
        offer = milliseconds(more, facts.rate)
        if facts.load >= 1.0:
            remedy = "steps" if facts.steps > 1 else ""
            text = f"too slow here: the codecs take {facts.load:.1f} × real time. Take fewer steps or a smaller codec."
            return Health(Level.BAD, text, remedy)
        if self._recent:
            count = sum(new for _, _, new in self._recent)
            kind = KINDS.get(self._recent[-1][1], self._recent[-1][1])
            text = f"{count} dropout{'s' * (count > 1)} in {RECENT_S:.0f} s: {kind}. {offer} of latency would help."
            return Health(Level.BAD, text, "latency", more)
        if facts.short:
            text = f"running short of reserve. Close other programs, or take {offer} of latency."
            return Health(Level.BAD, text, "latency", more)
        if facts.muted:
            return Health(Level.INFO, "muted. Esc lets the sound through.", "unmute")
        if facts.bypassed:
            return Health(Level.INFO, "bypassed: the input is heard. Switch bypass off on the page Mix.")
        total = sum(facts.dropouts.values())
        earlier = f"{total} dropout{'s' * (total > 1)} earlier" if total else "no dropouts"
        spare = f"{1 - facts.load:.0%} of the compute time spare" if facts.load else "measuring the load"
        return Health(Level.GOOD, f"healthy: {earlier}, {spare}")


def _without_stream(facts: Facts) -> Health | None:
    """Return the health while nothing plays; None if a stream plays."""
    if facts.state == ClientState.ABSENT:
        return Health(Level.INFO, "nothing plays yet.", "start")
    if facts.state == ClientState.LOADING:
        return Health(Level.INFO, "loading the codecs …")
    if facts.state == ClientState.GONE:
        return Health(Level.BAD, "the engine is gone. Start it again; your settings are kept.", "start")
    if facts.stalled:
        return Health(Level.BAD, "the sound card is gone. Plug it in again: the sound comes back by itself.")
    if facts.state == ClientState.WARMING_UP:
        return Health(Level.INFO, f"sound starts in {milliseconds(facts.latency, facts.rate)} …")
    return None
