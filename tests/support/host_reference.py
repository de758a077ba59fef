"""Reference of the playout in plain numpy, written from its description; the compiled one must equal it.

The compiled code goes sample by sample; this one computes whole blocks in closed form.
"""

from __future__ import annotations

import numpy as np

from realtime.timeline.layout import (
    DROPPED_SAMPLES,
    FILL_SAMPLES,
    GAIN_ONE,
    HEARTBEAT,
    OPEN_STRETCH,
    PREV_RUN_END,
    PREV_RUN_START,
    SLOT_DROPOUTS,
    STRETCH,
    STRETCH_END,
    STRETCHES,
    Field,
    Timeline,
)

F32 = np.float32


class HostReference:
    """Host side that plays a timeline as `realtime.timeline.playout.Playout` does."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline, self.n = timeline, 0
        self.gains = self._targets()
        self.wet_crossfade = [0, 0]
        self.runs = [(0, 0), (0, 0)]
        self.was_present = [False, False]
        self.kind, self.engine = 0, 0
        self.stretches: list[list | None] = [None, None]  # kind, first sample, engine
        self.last_start = [0, 0]
        timeline.store(Field.DRY_END, 0)
        timeline.store(Field.PLAYED_END, 0)
        timeline.store(Field.STREAM_ID, timeline[Field.STREAM_ID] + 1)

    def process(self, inp: np.ndarray, now_ns: int) -> np.ndarray:
        limit = self.timeline[Field.MAX_BLOCK]
        return np.concatenate([self._piece(inp[i : i + limit], now_ns) for i in range(0, len(inp), limit)])

    def finish(self) -> None:
        self._close()
        for slot in range(2):
            self._end_stretch(slot, self.n - self.timeline[Field.LATENCY])

    def _close(self) -> None:
        if self.kind:
            self.timeline.header[Field.LATE + self.kind - 1] += 1
        self.kind = 0
        self.timeline.header[Field.OPEN_DROPOUT] = 0

    def _targets(self) -> list[int]:
        return [self.timeline[f] for f in (Field.GAIN_DRY, Field.GAIN_A, Field.GAIN_B)]

    def _piece(self, inp: np.ndarray, now_ns: int) -> np.ndarray:
        t, size = self.timeline, len(inp)
        fade = t[Field.FADE]
        t.write(0, self.n, inp.T)
        t.store(Field.DRY_END, self.n + size)
        k = np.arange(self.n, self.n + size) - t[Field.LATENCY]
        self._update_runs(int(k[0]))

        gains = [
            self._ramp(g, target, GAIN_ONE // fade, size) for g, target in zip(self.gains, self._targets(), strict=True)
        ]
        self.gains = [int(g[-1]) for g in gains]
        wet_crossfade = [self._wet_crossfade(slot, k, fade) for slot in range(2)]
        self.wet_crossfade = [int(p[-1]) for p in wet_crossfade]

        dry = np.empty((t[Field.CHANNELS], size), F32)
        t.read(0, int(k[0]), dry)
        dry[:, k < 0] = 0
        # terms in order; one with gain 0 is left out, so that not even the sign of a zero changes
        total, started = np.zeros_like(dry), np.zeros(size, bool)
        terms = [(gains[0], dry)]
        for slot in range(2):
            wet = np.empty_like(dry)
            t.read(1 + slot, int(k[0]), wet)
            wet[:, k < 0] = 0
            terms.append((gains[1 + slot], self._filled(dry, wet, wet_crossfade[slot], fade)))
        for gain, signal in terms:
            value = gain.astype(F32) * F32(1 / GAIN_ONE) * signal
            total = np.where(gain == 0, total, np.where(started, total + value, value))
            started |= gain != 0

        missing = np.zeros(size, bool)
        for slot in range(2):
            if self.was_present[slot]:
                missing |= wet_crossfade[slot] < fade
            if t[Field.SLOTS] >> slot & 1:
                self._stretches_of(slot, k[k >= 0], wet_crossfade[slot][k >= 0] < fade)
        t.header[Field.DROPPED_SAMPLES] += int(missing.sum())
        self._count_dropouts(now_ns, fade)
        t.write(3, self.n, total)
        self.n += size
        t.header[Field.BLOCKS] += 1
        t.store(Field.PLAYED_END, self.n)
        return total.T.copy()

    def _update_runs(self, k: int) -> None:
        t = self.timeline
        if t[Field.STREAM_ACK] != t[Field.STREAM_ID]:
            return
        for slot, (end, epoch) in enumerate(
            [(Field.WET_END_A, Field.RUN_START_A), (Field.WET_END_B, Field.RUN_START_B)]
        ):
            start, old_end = self.runs[slot]
            if t[epoch] != start and t[PREV_RUN_START[slot]] == start:
                old_end = max(old_end, t[PREV_RUN_END[slot]])
                self.runs[slot] = (start, old_end)
            if t[epoch] != start and t[epoch] == old_end < t[end]:
                self.was_present[slot] = False
            if t[epoch] == start or old_end <= k:
                self.runs[slot] = (t[epoch], t[end])

    @staticmethod
    def _ramp(value: int, target: int, step: int, size: int) -> np.ndarray:
        """Return a ramp from value to target by step per sample; its first sample is one step on."""
        left = np.maximum(abs(target - value) - step * np.arange(1, size + 1), 0)
        return target - np.sign(target - value) * left

    def _wet_crossfade(self, slot: int, k: np.ndarray, fade: int) -> np.ndarray:
        start, end = self.runs[slot]
        cap = np.where((k >= start) | (start == 0), np.clip(end - k, 0, fade), 0)
        if end <= start or not self.timeline[Field.SLOTS] >> slot & 1:
            cap = np.zeros_like(cap)
        # q[i] = min(q[i-1] + 1, cap[i]), unrolled
        i = np.arange(len(k))
        return np.minimum(self.wet_crossfade[slot] + 1 + i, np.minimum.accumulate(cap - i) + i)

    def _filled(self, dry: np.ndarray, wet: np.ndarray, wet_crossfade: np.ndarray, fade: int) -> np.ndarray:
        part = wet_crossfade.astype(F32) / F32(fade)
        silent = self.timeline[Field.DROPOUT_FILL] == 1
        between = part * wet if silent else dry + part * (wet - dry)
        nothing = np.zeros_like(dry) if silent else dry
        return np.where(wet_crossfade == fade, wet, np.where(wet_crossfade == 0, nothing, between))

    def _count_dropouts(self, now_ns: int, fade: int) -> None:
        t, missing = self.timeline, False
        for slot in range(2):
            if t[Field.SLOTS] >> slot & 1:
                if self.wet_crossfade[slot] == fade:
                    self.was_present[slot] = True
                elif self.was_present[slot]:
                    missing = True
        engine = t[Field.ATTACH_COUNT]
        for slot, stretch in enumerate(self.stretches):
            if stretch and stretch[0] != 4:
                stretch[2] = engine if stretch[2] is None else stretch[2]
                if now_ns - t[HEARTBEAT[slot]] > t[Field.STALL_NS]:
                    stretch[0] = max(stretch[0], 2)
                if engine != stretch[2] or engine == 0:
                    stretch[0] = 3
            kind, start = OPEN_STRETCH[slot]
            t.header[kind] = stretch[0] if stretch else 0
            t.header[start] = self.last_start[slot]
        if not missing:
            self._close()
            return
        if not self.kind:
            self.kind, self.engine = 1, engine
        if now_ns - t[Field.HEARTBEAT_NS] > t[Field.STALL_NS]:
            self.kind = max(self.kind, 2)
        if engine != self.engine or engine == 0:
            self.kind = 3
        t.header[Field.OPEN_DROPOUT] = self.kind

    def _stretches_of(self, slot: int, k: np.ndarray, absent: np.ndarray) -> None:
        t = self.timeline
        t.header[FILL_SAMPLES[slot]] += int(absent.sum())
        if self.was_present[slot]:
            t.header[DROPPED_SAMPLES[slot]] += int(absent.sum())
        for at, gone in zip(k.tolist(), absent.tolist(), strict=True):
            if not gone:
                self._end_stretch(slot, at)
            elif not self.stretches[slot]:
                self.stretches[slot] = [1 if self.was_present[slot] else 4, at, None]
                self.last_start[slot] = at

    def _end_stretch(self, slot: int, end: int) -> None:
        t, stretch = self.timeline, self.stretches[slot]
        if not stretch:
            return
        kind, start, _ = stretch
        number = t[STRETCH_END[slot]]
        at = STRETCH[slot] + 2 * (number % STRETCHES)
        t.header[at], t.header[at + 1] = start, 8 * end + kind
        t.header[STRETCH_END[slot]] = number + 1
        if kind < 4:
            t.header[list(SLOT_DROPOUTS[slot].values())[kind - 1]] += 1
        t.header[OPEN_STRETCH[slot][0]] = 0
        self.stretches[slot] = None
