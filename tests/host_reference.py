"""The host side once more, in plain numpy, from its description: what the compiled one must equal.

Where the compiled code walks sample by sample, this works on whole blocks with closed forms.
"""

from __future__ import annotations

import numpy as np

from realtime.timeline import BEFORE, CUT, GAIN_ONE, Field, Timeline

F32 = np.float32


class HostReference:
    """Plays a timeline as `realtime.callback.HostSide` does."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline, self.n = timeline, 0
        self.gains = self._targets()
        self.presence = [0, 0]
        self.runs = [(0, 0), (0, 0)]
        self.was_full = [False, False]
        self.kind, self.engine = 0, 0
        timeline.store(Field.DRY_END, 0)
        timeline.store(Field.PLAYED_END, 0)
        timeline.store(Field.STREAM, timeline[Field.STREAM] + 1)

    def process(self, inp: np.ndarray, now_ns: int) -> np.ndarray:
        limit = self.timeline[Field.MAX_BLOCK]
        return np.concatenate([self._piece(inp[i : i + limit], now_ns) for i in range(0, len(inp), limit)])

    def finish(self) -> None:
        if self.kind:
            self.timeline.header[Field.LATE + self.kind - 1] += 1
        self.kind = 0
        self.timeline.header[Field.HOLE] = 0

    def _targets(self) -> list[int]:
        return [self.timeline[f] for f in (Field.GAIN_DRY, Field.GAIN_A, Field.GAIN_B)]

    def _piece(self, inp: np.ndarray, now_ns: int) -> np.ndarray:
        t, size = self.timeline, len(inp)
        fade = t[Field.FADE]
        t.write(0, self.n, inp.T)
        t.store(Field.DRY_END, self.n + size)
        k = np.arange(self.n, self.n + size) - t[Field.LATENCY]
        self._see_runs(int(k[0]))

        gains = [
            self._ramp(g, target, GAIN_ONE // fade, size) for g, target in zip(self.gains, self._targets(), strict=True)
        ]
        self.gains = [int(g[-1]) for g in gains]
        presence = [self._presence(slot, k, fade) for slot in range(2)]
        self.presence = [int(p[-1]) for p in presence]

        dry = np.empty((t[Field.CHANNELS], size), F32)
        t.read(0, int(k[0]), dry)
        dry[:, k < 0] = 0
        # terms in order; a term with gain 0 is left out, so that not even the sign of a zero changes
        total, begun = np.zeros_like(dry), np.zeros(size, bool)
        terms = [(gains[0], dry)]
        for slot in range(2):
            wet = np.empty_like(dry)
            t.read(1 + slot, int(k[0]), wet)
            wet[:, k < 0] = 0
            terms.append((gains[1 + slot], self._filled(dry, wet, presence[slot], fade)))
        for gain, signal in terms:
            value = gain.astype(F32) * F32(1 / GAIN_ONE) * signal
            total = np.where(gain == 0, total, np.where(begun, total + value, value))
            begun |= gain != 0

        missing = np.zeros(size, bool)
        for slot in range(2):
            if self.was_full[slot]:
                missing |= presence[slot] < fade
        t.header[Field.MISSED] += int(missing.sum())
        self._count_holes(now_ns, fade)
        t.write(3, self.n, total)
        self.n += size
        t.header[Field.BLOCKS] += 1
        t.store(Field.PLAYED_END, self.n)
        return total.T.copy()

    def _see_runs(self, k: int) -> None:
        t = self.timeline
        if t[Field.ACK] != t[Field.STREAM]:
            return
        for slot, (end, epoch) in enumerate([(Field.WET_END_A, Field.EPOCH_A), (Field.WET_END_B, Field.EPOCH_B)]):
            start, old_end = self.runs[slot]
            if t[epoch] != start and t[BEFORE[slot]] == start:
                old_end = max(old_end, t[CUT[slot]])
                self.runs[slot] = (start, old_end)
            if t[epoch] != start and t[epoch] == old_end < t[end]:
                self.was_full[slot] = False
            if t[epoch] == start or old_end <= k:
                self.runs[slot] = (t[epoch], t[end])

    @staticmethod
    def _ramp(value: int, target: int, step: int, size: int) -> np.ndarray:
        """From value toward target by step a sample, the first sample already one step on."""
        left = np.maximum(abs(target - value) - step * np.arange(1, size + 1), 0)
        return target - np.sign(target - value) * left

    def _presence(self, slot: int, k: np.ndarray, fade: int) -> np.ndarray:
        start, end = self.runs[slot]
        cap = np.where((k >= start) | (start == 0), np.clip(end - k, 0, fade), 0)
        if end <= start or not self.timeline[Field.SLOTS] >> slot & 1:
            cap = np.zeros_like(cap)
        # q[i] = min(q[i-1] + 1, cap[i]), unrolled
        i = np.arange(len(k))
        return np.minimum(self.presence[slot] + 1 + i, np.minimum.accumulate(cap - i) + i)

    def _filled(self, dry: np.ndarray, wet: np.ndarray, presence: np.ndarray, fade: int) -> np.ndarray:
        part = presence.astype(F32) / F32(fade)
        silent = self.timeline[Field.FILL] == 1
        between = part * wet if silent else dry + part * (wet - dry)
        nothing = np.zeros_like(dry) if silent else dry
        return np.where(presence == fade, wet, np.where(presence == 0, nothing, between))

    def _count_holes(self, now_ns: int, fade: int) -> None:
        t, missing = self.timeline, False
        for slot in range(2):
            if t[Field.SLOTS] >> slot & 1:
                if self.presence[slot] == fade:
                    self.was_full[slot] = True
                elif self.was_full[slot]:
                    missing = True
        engine = t[Field.ENGINE]
        if not missing:
            self.finish()
            return
        if not self.kind:
            self.kind, self.engine = 1, engine
        if now_ns - t[Field.BEAT] > t[Field.STALL_NS]:
            self.kind = max(self.kind, 2)
        if engine != self.engine or engine == 0:
            self.kind = 3
        t.header[Field.HOLE] = self.kind
