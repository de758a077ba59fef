"""Live feed: passes new sound, frames, levels and health of the stream to the plots, about 30 times
a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gui.meter_feed import MeterFeed
from gui.plots.meters import Meters
from gui.plots.scope import Scope
from gui.plots.spectrum import Spectrum, SpectrumAnalysis
from gui.plots.token_histogram import TokenHistogram
from gui.transport.transport_bar import TransportBar
from realtime.client import Client, ClientState, Rings

HISTOGRAM_S = 0.25  # between two updates of the token histogram
STALLED_S = 0.7  # without a played sample, a stream counts as stalled
MAX_READ_S = 1.0  # of sound in one step


def peak_db(block: npt.NDArray[np.float32]) -> float:
    """Return the peak of samples [C, T] in dBFS; -200 for silence."""
    top = float(np.abs(block).max()) if block.size else 0.0
    return 20.0 * float(np.log10(top)) if top > 1e-10 else -200.0


class LiveFeed:
    """Feed of the plots and meters. Call `start_stream` for each stream and `step` at each tick.

    It does not know the buttons.
    """

    def __init__(
        self,
        client: Client,
        scope: Scope,
        meters: Meters,
        spectrum: Spectrum,
        histogram: TokenHistogram,
        header: TransportBar,
        meter_feed: MeterFeed,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._client, self._scope, self._meters, self._meter_feed = client, scope, meters, meter_feed
        self._spectrum, self._histogram, self._header, self._clock = spectrum, histogram, header, clock
        self.token_note = ""  # entropy or packet size, beside the histogram
        self.underrunning = False  # too little output is buffered
        self._read_end = 0  # first sample that was not read yet
        self._draws_spectrum = False
        self._last_progress = (0, 0.0)  # sample heard last, and when it changed
        self._analysis: SpectrumAnalysis | None = None
        self._spectrum_time = self._histogram_due = 0.0

    def start_stream(self) -> None:
        """Start with another stream; the sound still in its rings is drawn at once."""
        rings = self._client.rings
        if rings is None:
            return
        self._read_end = max(0, rings.oldest)
        self._analysis = SpectrumAnalysis(rings.rate, self._spectrum.scale)
        self._scope.start_stream(rings.rate, rings.latency)
        self._meter_feed.start_stream(rings.rate)
        self.set_codecs()

    def set_codecs(self) -> None:
        """Pass the current codecs to the plots."""
        self._meter_feed.set_codec()
        for slot in ("a", "b"):
            self._scope.set_codec(slot, self._client.codecs.get(slot))

    def step(self, playing: bool) -> None:
        """Read new data and draw it. `playing`: there is output."""
        rings = self._client.rings
        if rings is None or self._client.state in (ClientState.ABSENT, ClientState.GONE):
            self._show_nothing()
            return
        self._feed_sound(rings)
        for slot in ("a", "b"):
            for frame in self._client.frames(slot):
                self._scope.add_frame(frame)
            self._scope.add_surprise(slot, self._client.surprise(slot))
        self._scope.draw()
        self._show_health(rings, playing)
        now = self._clock()
        self._meter_feed.step(now)
        if now >= self._histogram_due and not self._scope.frozen and not self._scope.blind:
            self._histogram_due = now + HISTOGRAM_S
            self.token_note = self._scope.frames[self._scope.slot].show_histogram(self._histogram)

    def _show_nothing(self) -> None:
        """Show no level and no health: nothing plays."""
        self._meters.show_levels({})
        self.underrunning = self._header.show_ring(None)
        self._header.show_load(0.0)
        self._header.show_dropouts({})

    @property
    def stalled(self) -> bool:
        """True if no sample has been played for STALLED_S, as when the sound card is gone."""
        return self._clock() - self._last_progress[1] > STALLED_S

    def _feed_sound(self, rings: Rings) -> None:
        now = rings.now
        if now != self._last_progress[0]:
            self._last_progress = (now, self._clock())
        start = max(self._read_end, rings.oldest, now - int(MAX_READ_S * rings.rate))
        if now <= start:
            if self.stalled:
                self._meters.show_levels({})
            return
        blocks = {name: rings.read(name, start, now - start) for name in ("dry", "a", "b")}
        self._scope.feed(start, blocks)
        self._meter_feed.feed(blocks)
        self._read_end = now
        used = {"dry", *rings.slots}
        levels = {name: peak_db(block) for name, block in blocks.items() if name in used}
        if "a" in used:
            levels["delta"] = peak_db(blocks["dry"] - blocks["a"])
        self._meters.show_levels(levels)
        self._draws_spectrum = not self._draws_spectrum  # it is smooth: every other step is enough
        if self._draws_spectrum and self._analysis and not self._scope.frozen and not self._scope.blind:
            self._show_spectrum(self._analysis)

    def _show_spectrum(self, analysis: SpectrumAnalysis) -> None:
        if analysis.scale is not self._spectrum.scale:
            self._analysis = analysis = SpectrumAnalysis(analysis.rate, self._spectrum.scale)
        history, size = self._scope.history, analysis.size
        if history.end < size:
            return
        shown = self._scope.shown
        paths = ("a", "b") if shown == "ghost" else ("dry", "b" if shown == "b" else "a")
        dry_sound, wet_sound = (history.read(name, history.end - size, size) for name in paths)
        before, self._spectrum_time = self._spectrum_time, self._clock()
        self._spectrum.set_paths(*paths)
        self._spectrum.show_spectra(analysis.step(dry_sound, wet_sound, self._spectrum_time - before))

    def _show_health(self, rings: Rings, playing: bool) -> None:
        terms = self._client.latency.terms
        reserve = rings.latency - terms.get("hop", 0) - terms.get("lookahead", 0)
        part = rings.buffered / reserve if playing and terms and reserve > 0 else None
        self.underrunning = self._header.show_ring(part)
        self._header.show_load(self._client.telemetry.load[0])
        self._header.show_dropouts(self._client.misses)
