"""Gives the pictures what the engine lays out, some 30 times a second: sound, frames, levels, health."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from gui.header import Header
from gui.meters import Meters
from gui.scope import Scope
from gui.spectrum import Spectrum, SpectrumAnalysis
from gui.tokenuse import TokenUse
from realtime.client import Client, Rings

USE_S = 0.25  # between two looks at how tokens are used
STANDING_S = 0.7
MOST_S = 1.0  # of sound read at once


def peak_db(block: npt.NDArray[np.float32]) -> float:
    """Of samples [C, T], dBFS; -200 of silence."""
    top = float(np.abs(block).max()) if block.size else 0.0
    return 20.0 * float(np.log10(top)) if top > 1e-10 else -200.0


class Follower:
    """`begin` with each stream, `step` at each tick. Knows no buttons."""

    def __init__(
        self, client: Client, scope: Scope, meters: Meters, spectrum: Spectrum, use: TokenUse, header: Header
    ) -> None:
        self.client, self.scope, self.meters = client, scope, meters
        self.spectrum, self.use, self.header = spectrum, use, header
        self.note_of_use = ""
        self.starving = False
        self._fed = 0
        self._half = False
        self._moved = (0, 0.0)  # what was heard last, and when that was another
        self._analysis: SpectrumAnalysis | None = None
        self._seen = self._use_due = 0.0

    def begin(self) -> None:
        """Another stream: what is remembered of it is drawn at once."""
        rings = self.client.rings
        if rings is None:
            return
        self._fed = max(0, rings.oldest)
        self._analysis = SpectrumAnalysis(rings.rate)
        self.scope.begin(rings.rate, rings.latency)
        self.set_codecs()

    def set_codecs(self) -> None:
        """The codecs are other ones."""
        for slot in ("a", "b"):
            self.scope.set_codec(slot, self.client.codecs.get(slot))

    def step(self, playing: bool) -> None:
        """Take in what is new, and have it drawn. `playing`: something is heard."""
        rings = self.client.rings
        if rings is None:
            self.meters.show_levels({})
            self.header.show_ring(None)
            return
        self._sound(rings)
        for slot in ("a", "b"):
            for frame in self.client.frames(slot):
                self.scope.frame(frame)
        self.scope.draw()
        self._health(rings, playing)
        now = time.monotonic()
        if now >= self._use_due and not self.scope.frozen and not self.scope.blind:
            self._use_due = now + USE_S
            self.note_of_use = self.scope.frames[self.scope.slot].show_use(self.use)

    @property
    def standing(self) -> bool:
        """Whether nothing has been played for a while: a card that is gone plays nothing."""
        return time.monotonic() - self._moved[1] > STANDING_S

    def _sound(self, rings: Rings) -> None:
        now = rings.now
        if now != self._moved[0]:
            self._moved = (now, time.monotonic())
        start = max(self._fed, rings.oldest, now - int(MOST_S * rings.rate))
        if now <= start:
            return
        blocks = {name: rings.read(name, start, now - start) for name in ("dry", "a", "b")}
        self.scope.feed(start, blocks)
        self._fed = now
        there = {"dry", *rings.slots}
        levels = {name: peak_db(block) for name, block in blocks.items() if name in there}
        if "a" in there:
            levels["delta"] = peak_db(blocks["dry"] - blocks["a"])
        self.meters.show_levels(levels)
        if self._analysis and not self.scope.frozen and not self.scope.blind:
            history, size = self.scope.history, self._analysis.size
            self._half = not self._half  # it is smooth: every other tick will do
            if self._half and history.end >= size:
                wet = "b" if self.scope.shown == "b" else "a"
                dry, wet_sound = (history.read(name, history.end - size, size) for name in ("dry", wet))
                seen, self._seen = self._seen, time.monotonic()
                self.spectrum.path = wet
                self.spectrum.show_spectra(self._analysis.step(dry, wet_sound, self._seen - seen))

    def _health(self, rings: Rings, playing: bool) -> None:
        terms = self.client.latency.terms
        reserve = rings.latency - terms.get("hop", 0) - terms.get("lookahead", 0)
        part = rings.ahead / reserve if playing and terms and reserve > 0 else None
        self.starving = self.header.show_ring(part)
        self.header.show_load(self.client.telemetry.load[0])
        self.header.show_misses(self.client.misses)

    def rate_of(self, slot: str) -> str:
        """What a slot sends, in words."""
        bitrate = self.client.telemetry.bitrate["ab".index(slot)]
        return f"{bitrate:.1f} kb/s" if bitrate and slot in self.client.codecs else ""
