"""Frames of one slot, prepared for the plots: histories of columns, and counts of token levels."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from gui.plots import axes, colormaps, frame_columns
from gui.plots.frame_columns import FrameColumn, FrameHistory
from gui.plots.frame_plot import FramePlot
from gui.plots.token_histogram import TokenHistogram, entropy
from gui.plots.token_rows import Key, PacketBars, rows_of, spread_ticks, value_at
from realtime.client import CodecInfo, Frame, FrameSurprise

SIGNED = colormaps.lined(colormaps.table(*colormaps.SIGNED))
MAX_FRAMES = 2048
SPAN = 3.0  # largest value drawn of a latent without a bound: three deviations of a normal one
NO_KEY: Key = ([], "", "")


class SlotFrames:
    """Recent frames of one codec in one slot; create another one for each codec."""

    def __init__(self, path: str, facts: CodecInfo | None, rate: int) -> None:
        """`path`: a or b; `facts` None: the slot is off; `rate`: of the stream, Hz."""
        self.path, self.facts = path, facts
        self.latents = FrameHistory(strongest=True, keep=MAX_FRAMES)
        self.tokens = FrameHistory(strongest=False, keep=MAX_FRAMES)
        self.rows = rows_of(facts, path) if facts else PacketBars(path)
        self._rate = rate
        self._span = 1.0 if facts is None or facts.spec.bounded else SPAN
        recent = max(1, round(axes.SECONDS / facts.frame_seconds)) if facts else 1
        self._uses: deque[npt.NDArray[np.int64]] = deque(maxlen=recent)
        self._sizes: deque[float] = deque(maxlen=recent)  # bytes
        self.surprise: deque[FrameSurprise] = deque(maxlen=recent)  # of what was played, if the codec has a model
        self.axis_changed = False  # the token plot must be shown again

    def add(self, frame: Frame) -> tuple[list[FrameColumn], list[FrameColumn]]:
        """Add a frame; return its columns of latents and of tokens."""
        if self.facts is None:
            return [], []
        length = max(1, round(frame.seconds * self._rate))
        self._sizes.append(frame.bits / 8)
        latents = []
        if frame.latent is not None:
            latents = [FrameColumn(frame.start, length, frame_columns.signed(frame.latent, self._span))]
        top = self.rows.top if isinstance(self.rows, PacketBars) else 0.0
        tokens = self.rows.columns(frame, length) if frame.tokens.size or not self.facts.spec.tokens else []
        if frame.tokens.size:
            self._uses.append(self.rows.counts(frame))
        for history, columns in ((self.latents, latents), (self.tokens, tokens)):
            for column in columns:
                history.add(column)
        if isinstance(self.rows, PacketBars) and self.rows.top != top:
            self.tokens.change(self.rows.rescaled)
            self.axis_changed = True
        return latents, tokens

    @property
    def has_latent(self) -> bool:
        return self.facts is not None and self.facts.spec.latent != (0, 0)

    @property
    def title(self) -> str:
        """Title of the lower plot."""
        return self.rows.title if self.facts else "TOKENS"

    @property
    def notes(self) -> tuple[str, str]:
        """Notes of the latent plot and of the token plot: the meaning of one column."""
        if self.facts is None:
            return "", ""
        spec, ms = self.facts.spec, 1000 * self.facts.frame_seconds
        order = "in time order" if spec.time_ordered else "unordered within the frame"
        latents = f"{spec.latent[0]} × {spec.latent[1]} · {order}" if self.has_latent else ""
        return latents, self.rows.note(ms)

    @property
    def keys(self) -> tuple[Key, Key]:
        """Colour keys of the latent plot and of the token plot."""
        latents: Key = (SIGNED[:-1], f"−{self._span:g}", f"+{self._span:g}") if self.has_latent else NO_KEY
        return latents, self.rows.key if self.facts else NO_KEY

    def show_latents(self, plot: FramePlot) -> None:
        """Show the latents in a plot."""
        values = self.facts.spec.latent[0] * self.facts.spec.latent[1] if self.facts else 0
        plot.show_frame_history(self.latents, SIGNED, spread_ticks(values), self._describe_value)
        plot.message = "slot is off" if self.facts is None else "" if values else "no latent: this codec sends packets"

    def _describe_value(self, column: FrameColumn, height: float) -> str:
        at = value_at(column, height)
        return f"value {at}: {self._span * (int(column.values[at]) / frame_columns.ZERO - 1):+.2f}"

    def show_tokens(self, plot: FramePlot) -> None:
        """Show the tokens, or the packet sizes, in a plot."""
        self.axis_changed = False
        plot.show_frame_history(self.tokens, self.rows.colours, self.rows.ticks, self.rows.describe)
        plot.message = "" if self.facts else "slot is off"

    def show_histogram(self, plot: TokenHistogram) -> str:
        """Show the counts of the last seconds in a histogram; return the note for its panel."""
        plot.path, plot.message = self.path, ""
        if self._uses and self.facts:
            counts = np.sum(np.stack(self._uses), axis=0)
            plot.show_counts(counts, [str(level) for level in range(len(counts))])
            return f"entropy {entropy(counts):.1f} of {np.log2(self.facts.levels or len(counts)):.1f} bit"
        if self.facts is None:
            plot.message = "slot is off"
        elif not self._sizes:
            plot.message = "waiting for the first frame"
        elif not self.facts.spec.tokens:
            sizes = np.asarray(self._sizes)
            edges = np.linspace(0, max(float(sizes.max()) * 1.1, 1.0), 13)
            plot.show_counts(np.histogram(sizes, edges)[0], [f"{edge:.0f}" for edge in edges[:-1]])
            return f"{sizes.mean():.0f} bytes · {sizes.mean() * 8 / self.facts.frame_seconds / 1000:.1f} kbit/s"
        plot.show_counts(np.zeros(0, np.int64), [])
        return ""
