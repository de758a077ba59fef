"""Overload guard: detects compute that is too slow, advises, and reduces the quality if allowed.

L is fixed while a stream runs, so late data is a dropout; nothing drifts. The guard counts seconds
with dropped samples: a single one is the system's, two in a row mean that the computer is too slow.

    full ─► fewer decoding steps, in the slots that are short, then in the other ─► ...
                                                            ─► slot B, if short, bypassed (plays pcm)
                                                               and back up, one step at a time

After a step up that failed, the wait before the next attempt doubles.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from models.codec import CodecSpec
from models.load import split_codec_path
from realtime.engine.engine import Engine
from realtime.timeline.layout import DROPPED_SAMPLES, SLOTS, WET_END, Field, Timeline

WINDOW_S = 1.0
SHORT_WINDOWS = 2  # in a row with dropped samples
SETTLE_S = 3.0  # after a change, before it is judged
PATIENCE_S = 10.0  # without a dropout, before a step up
MAX_PATIENCE_S = 160.0
ADVICE_INTERVAL_S = 30.0
KEEPS_UP = 0.95  # × real time; above it more latency only delays the dropouts
MAX_ADVISED_MORE_S = 0.5  # most latency to add in an advice
MAX_ADVISED_S = 2.0  # longest latency in an advice
DIED = 3  # kind of dropout in Field.OPEN_DROPOUT
SLOT_B_BYPASSED = "slot B is bypassed (it plays pcm)"


def headroom(timeline: Timeline) -> int | None:
    """Return the wet samples that are ready, in the slot with fewest; None before the first."""
    at = timeline.load(Field.PLAYED_END) - timeline[Field.LATENCY]
    if at < 0 or timeline.load(Field.STREAM_ACK) != timeline.load(Field.STREAM_ID):
        return None
    return min(timeline.load(end) - at for slot, end in enumerate(WET_END) if timeline[Field.SLOTS] >> slot & 1)


def has_steps(spec: CodecSpec) -> bool:
    """Return True if the codec's decoder is a denoiser, which the parameter `steps` makes faster."""
    return "continuous" in spec.paths and not spec.time_ordered and not spec.books


@dataclass(frozen=True)
class QualityStep:
    """One step down: an action, its inverse and a description."""

    down: Callable[[], None]
    up: Callable[[], None]
    description: str


class DegradationPolicy:
    """Times of steps down and up. Does not know engines; `now` is any monotonic time in seconds."""

    def __init__(self) -> None:
        self.taken: list[QualityStep] = []
        self._short = 0  # windows in a row with dropped samples
        self._good_since: float | None = None
        self._judge_from = 0.0
        self._went_up: float | None = None
        self._patience = PATIENCE_S

    def is_short(self, now: float, dropped: bool) -> bool:
        """Record a window; return True if a step down is due."""
        if now < self._judge_from:
            return False
        self._short = self._short + 1 if dropped else 0
        if dropped:
            self._good_since = None
        elif self._good_since is None:
            self._good_since = now
        return self._short >= SHORT_WINDOWS

    def down(self, now: float, step: QualityStep) -> None:
        """Take a step down; double the patience if the last step up was recent."""
        step.down()
        self.taken.append(step)
        if self._went_up is not None and now - self._went_up < self._patience:
            self._patience = min(2 * self._patience, MAX_PATIENCE_S)
        self._went_up = None
        self._changed(now)

    def up(self, now: float) -> QualityStep | None:
        """Undo the last step down and return it, if there was no dropout for long enough."""
        if not self.taken or self._good_since is None or now - self._good_since < self._patience:
            return None
        step = self.taken.pop()
        step.up()
        self._went_up = now
        self._changed(now)
        return step

    def _changed(self, now: float) -> None:
        self._short, self._good_since, self._judge_from = 0, None, now + SETTLE_S


class OverloadGuard:
    """Guard of one engine. Call `poll` some 20 times a second, from one control thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._timeline = engine, engine.timeline
        self.lowest_headroom: int | None = None  # samples, since the stream began
        self.steps_down = 0
        self._policy = DegradationPolicy()
        self._dropped = self._timeline[Field.DROPPED_SAMPLES]
        self._dropped_by_slot = [self._timeline[field] for field in DROPPED_SAMPLES]
        self._short_slots: list[int] = []  # with dropped samples in the last window; all if that is not known
        self._due = self._advise_at = 0.0

    def poll(self, now: float | None = None) -> str | None:
        """Return advice or a description of what was changed, for the user; None mostly."""
        now = time.perf_counter() if now is None else now
        ahead = headroom(self._timeline)
        if ahead is not None:
            self.lowest_headroom = ahead if self.lowest_headroom is None else min(ahead, self.lowest_headroom)
        if now < self._due:
            return None
        self._due = now + WINDOW_S
        dropped = self._timeline[Field.DROPPED_SAMPLES] - self._dropped
        self._dropped += dropped
        self._find_short_slots()
        if self._timeline[Field.OPEN_DROPOUT] == DIED or self._timeline.load(Field.ATTACH_COUNT) == 0:
            return None  # a missing worker is not a slow one
        if self._policy.is_short(now, dropped > 0):
            return self._react(now, dropped)
        if self._engine.auto_quality and (step := self._policy.up(now)):
            return f"there is room again: {step.description} taken back"
        return None

    def _find_short_slots(self) -> None:
        before, self._dropped_by_slot = self._dropped_by_slot, [self._timeline[field] for field in DROPPED_SAMPLES]
        used = [slot for slot in range(len(SLOTS)) if self._timeline[Field.SLOTS] >> slot & 1]
        self._short_slots = [slot for slot in used if self._dropped_by_slot[slot] > before[slot]] or used

    def _react(self, now: float, dropped: int) -> str | None:
        if self._engine.auto_quality and (step := self._next_step()):
            self._policy.down(now, step)
            self.steps_down += 1
            return f"{self._shortage()} ({self._load()}): {step.description}"
        if now < self._advise_at:
            return None
        self._advise_at = now + ADVICE_INTERVAL_S
        missing = f"{dropped} samples missing in {WINDOW_S:.0f} s"
        return f"{self._shortage()} ({self._load()}, {missing}). {self._advice(dropped)}"

    def _shortage(self) -> str:
        """Return the message's first words, with the slot if only one of two is short."""
        used = len(self._engine.playing)
        where = f" in slot {SLOTS[self._short_slots[0]].upper()}" if len(self._short_slots) < used else ""
        return f"compute is short{where}"

    def _advice(self, dropped: int) -> str:
        """Return the remedies that can help these codecs, best first."""
        rate, playing = self._timeline[Field.RATE], self._engine.playing
        remedies = []
        short_first = sorted(playing, key=lambda p: p.slot not in self._short_slots)
        steps = [f"{SLOTS[p.slot]}.steps" for p in short_first if has_steps(p.spec)]
        steps = [name for name in steps if self._engine.parameters[name] > 1]
        if steps:
            remedies.append(f"fewer steps (--set {steps[0]}=1; --adapt does it by itself)")
        remedies.append("a smaller codec")
        if len(playing) > 1:
            remedies.append("one slot (--b off)")
        latency = self._timeline[Field.LATENCY] + dropped
        keeps_up = self._engine.snapshot().load[0] < KEEPS_UP  # else samples go on to be missing at any latency
        if keeps_up and dropped < MAX_ADVISED_MORE_S * rate and latency <= MAX_ADVISED_S * rate:
            remedies.append(f"--latency {latency} ({1000 * latency / rate:.1f} ms)")
        return f"Take {', '.join(remedies[:-1])} or {remedies[-1]}." if len(remedies) > 1 else f"Take {remedies[0]}."

    def _load(self) -> str:
        p50, p99, _ = self._engine.snapshot().load
        return f"{p50:.2f} × RT, p99 {p99:.2f}"

    def _next_step(self) -> QualityStep | None:
        """Return the next step: a decoding step less, in the slots that are short before the other
        one, where there are most; else B, if it is short, plays pcm.
        """
        engine = self._engine
        used = [slot for slot in range(len(SLOTS)) if self._timeline[Field.SLOTS] >> slot & 1]
        names = [f"{SLOTS[p.slot]}.steps" for p in engine.playing if has_steps(p.spec)]
        steps = {name: int(engine.parameters[name]) for name in names}
        short = [f"{SLOTS[slot]}.steps" for slot in self._short_slots]
        name = max(steps, key=lambda n: (n in short and steps[n] > 1, steps[n]), default="")
        before = steps.get(name, 1)
        if before > 1:
            return QualityStep(
                lambda: engine.set(name, before - 1),
                lambda: engine.set(name, before),
                f"{name} {before} → {before - 1}",
            )
        codec = engine.parameters["b.codec"]  # the current one, which may differ from that at the start
        b = None if codec == "off" else split_codec_path(codec)
        bypassed = any(step.description == SLOT_B_BYPASSED for step in self._policy.taken)
        if b is None or bypassed or len(used) < len(SLOTS) or SLOTS.index("b") not in self._short_slots:
            return None
        return QualityStep(lambda: engine.swap(1, "pcm", None), lambda: engine.swap(1, *b), SLOT_B_BYPASSED)
