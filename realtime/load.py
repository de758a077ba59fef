"""The load: whether the computer keeps up, what to change when it does not, and stepping down by itself if allowed.

L never changes while a stream runs, so what comes too late is missing; there is nothing to creep. Seconds with samples
missing are what counts here: one alone is the system's, two in a row are a computer that is too slow.

    full ─► fewer decoding steps, one slot at a time ─► ... ─► slot B rests (plays pcm)      and back up, one at a time

A way up that had to be taken back makes the wait before the next one twice as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from models.load import split_path
from realtime.engine import Engine
from realtime.params import PARAMETERS
from realtime.timeline import SLOTS, WET_END, Field, Timeline

WINDOW_S = 1.0
SHORT_WINDOWS = 2  # in a row
SETTLE_S = 3.0  # after a change, before it is judged
PATIENCE_S = 10.0  # without a miss, before going up
LONGEST_PATIENCE_S = 160.0
ADVICE_EVERY_S = 30.0
DIED = 3
REST = "slot B rests (it plays pcm)"


def headroom(timeline: Timeline) -> int | None:
    """Samples of wet that wait to be played, in the slot that has the fewest: how late its worker may be."""
    at = timeline.load(Field.PLAYED_END) - timeline[Field.LATENCY]
    if at < 0 or timeline.load(Field.ACK) != timeline.load(Field.STREAM):
        return None
    return min(timeline.load(end) - at for slot, end in enumerate(WET_END) if timeline[Field.SLOTS] >> slot & 1)


@dataclass(frozen=True)
class Rung:
    """One step down: what to do, how to take it back, both in words too."""

    down: Callable[[], None]
    up: Callable[[], None]
    words: str


class Ladder:
    """When to go down and up. Knows nothing of engines; time comes from outside, seconds."""

    def __init__(self) -> None:
        self.taken: list[Rung] = []
        self._short = 0  # windows in a row
        self._good_since: float | None = None
        self._judge_from = 0.0
        self._went_up: float | None = None
        self._patience = PATIENCE_S

    def is_short(self, now: float, missing: bool) -> bool:
        """Take in a window; whether it is time to do something about it."""
        if now < self._judge_from:
            return False
        self._short = self._short + 1 if missing else 0
        if missing:
            self._good_since = None
        elif self._good_since is None:
            self._good_since = now
        return self._short >= SHORT_WINDOWS

    def down(self, now: float, rung: Rung) -> None:
        rung.down()
        self.taken.append(rung)
        if self._went_up is not None and now - self._went_up < self._patience:
            self._patience = min(2 * self._patience, LONGEST_PATIENCE_S)
        self._went_up = None
        self._changed(now)

    def up(self, now: float) -> Rung | None:
        """Take the last rung back if it has been good for long enough."""
        if not self.taken or self._good_since is None or now - self._good_since < self._patience:
            return None
        rung = self.taken.pop()
        rung.up()
        self._went_up = now
        self._changed(now)
        return rung

    def _changed(self, now: float) -> None:
        self._short, self._good_since, self._judge_from = 0, None, now + SETTLE_S


class Load:
    """Watches an engine; `poll` some 20 times a second, from one control thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._timeline = engine, engine.timeline
        self.lowest_headroom: int | None = None  # since the stream began
        self.steps_down = 0
        self._ladder = Ladder()
        self._missed = self._timeline[Field.MISSED]
        self._due = self._advise_at = 0.0

    def poll(self, now: float | None = None) -> str | None:
        """What to say: advice, or what was changed."""
        now = time.monotonic() if now is None else now
        waiting = headroom(self._timeline)
        if waiting is not None:
            self.lowest_headroom = waiting if self.lowest_headroom is None else min(waiting, self.lowest_headroom)
        if now < self._due:
            return None
        self._due = now + WINDOW_S
        missed = self._timeline[Field.MISSED] - self._missed
        self._missed += missed
        if self._timeline[Field.HOLE] == DIED or self._timeline.load(Field.ENGINE) == 0:
            return None  # no worker is no slow worker
        if self._ladder.is_short(now, missed > 0):
            return self._act(now, missed)
        if self._engine.adapt and (rung := self._ladder.up(now)):
            return f"there is room again: {rung.words} taken back"
        return None

    def _act(self, now: float, missed: int) -> str | None:
        if self._engine.adapt and (rung := self._next_rung()):
            self._ladder.down(now, rung)
            self.steps_down += 1
            return f"compute is short ({self._factor()}): {rung.words}"
        if now < self._advise_at:
            return None
        self._advise_at = now + ADVICE_EVERY_S
        latency = self._timeline[Field.LATENCY] + missed
        return (
            f"compute is short ({self._factor()}, {missed} samples missing in {WINDOW_S:.0f} s). Take fewer steps "
            f"(--set a.steps=1), a smaller codec, one slot (--b off), or --latency {latency}; --adapt does the first."
        )

    def _factor(self) -> str:
        p50, p99, _ = self._engine.snapshot().load
        return f"{p50:.2f} × RT, p99 {p99:.2f}"

    def _next_rung(self) -> Rung | None:
        """The slot with the most steps takes one less; with none to take, slot B rests."""
        engine = self._engine
        used = [slot for slot in range(len(SLOTS)) if self._timeline[Field.SLOTS] >> slot & 1]
        steps = {f"{SLOTS[s]}.steps": self._steps(s) for s in used}
        name = max(steps, key=lambda n: steps[n])
        before = steps[name]
        if before > 1:
            return Rung(
                lambda: engine.set(name, before - 1),
                lambda: engine.set(name, before),
                f"{name} {before} → {before - 1}",
            )
        codec = engine.values["b.codec"]  # what plays now, not what the stream began with
        b = None if codec == "off" else split_path(codec)
        resting = any(rung.words == REST for rung in self._ladder.taken)
        if b is None or resting or len(used) < len(SLOTS):
            return None
        return Rung(lambda: engine.swap(1, "pcm", None), lambda: engine.swap(1, *b), REST)

    def _steps(self, slot: int) -> int:
        default = PARAMETERS[f"{SLOTS[slot]}.steps"].default
        return int(self._engine.controls.get(slot, {}).get("steps", default))
