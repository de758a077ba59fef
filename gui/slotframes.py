"""The frames of one slot, as the pictures want them: walls of bricks, and how often each level was used."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from gui import axes, bricks, colormaps, theme
from gui.bricks import Brick, Wall
from gui.brickview import BrickView
from gui.tokenuse import TokenUse, entropy
from realtime.client import CodecFacts, Frame

SIGNED = colormaps.lined(colormaps.table(*colormaps.SIGNED))
ORDINAL = colormaps.lined(colormaps.table(*colormaps.VIRIDIS))
NAMES = 255  # hues that tokens without an order are hashed to
KEEP = 2048


class SlotFrames:
    """Begins anew with each codec. `rate` is the stream's."""

    def __init__(self, path: str, facts: CodecFacts | None, rate: int) -> None:
        """`path` is a or b; no facts: the slot is off."""
        self.path, self.facts = path, facts
        self.latents = Wall(strongest=True, keep=KEEP)
        self.tokens = Wall(strongest=False, keep=KEEP)
        self._rate = rate
        recent = max(1, round(axes.SECONDS / facts.frame_seconds)) if facts else 1
        self._uses: deque[npt.NDArray[np.int64]] = deque(maxlen=recent)
        self._sizes: deque[float] = deque(maxlen=recent)  # bytes
        self._largest = 0.0

    def add(self, frame: Frame) -> tuple[Brick | None, Brick | None]:
        """One more; what is to be laid of its latent and of its tokens."""
        if self.facts is None:
            return None, None
        length = max(1, round(frame.seconds * self._rate))
        self._sizes.append(frame.bits / 8)
        of_latent = of_tokens = None
        if frame.latent is not None:
            of_latent = Brick(frame.start, length, bricks.signed(frame.latent))
            self.latents.add(of_latent)
        if frame.tokens.size:
            of_tokens = Brick(frame.start, length, self._shades(self.facts, frame.tokens))
        elif not self.facts.spec.tokens and frame.bits:
            self._largest = max(self._largest, 1.25 * frame.bits / 8)
            of_tokens = Brick(frame.start, length, bricks.bar(frame.bits / 8, self._largest))
        if of_tokens:
            self.tokens.add(of_tokens)
        return of_latent, of_tokens

    def _shades(self, facts: CodecFacts, tokens: npt.NDArray[np.int32]) -> bricks.Shades:
        if facts.levels:
            digits = facts.digits(tokens)
            self._uses.append(np.bincount(digits.reshape(-1), minlength=facts.levels))
            return bricks.ordinal(digits, facts.levels)
        hashed = (tokens.astype(np.int64) * 2654435761 >> 7) % NAMES
        self._uses.append(np.bincount(hashed, minlength=NAMES))
        return hashed.astype(np.uint8)

    @property
    def has_latent(self) -> bool:
        return self.facts is not None and self.facts.spec.latent != (0, 0)

    @property
    def title(self) -> str:
        """Of the lower picture."""
        return "TOKENS" if self.facts is None or self.facts.spec.tokens else "PACKETS"

    @property
    def notes(self) -> tuple[str, str]:
        """Of latents and of tokens: what one column is."""
        if self.facts is None:
            return "", ""
        spec, ms = self.facts.spec, 1000 * self.facts.frame_seconds
        order = "in time order" if spec.time_ordered else "unordered within the frame"
        latents = f"{spec.latent[0]} × {spec.latent[1]} · {order}" if self.has_latent else ""
        if spec.tokens:
            digits = f" · as {spec.latent[1]} digits of {self.facts.levels} levels" if self.facts.levels else ""
            return latents, f"{spec.tokens} × {spec.cardinality}{digits} · one column = one frame ({ms:.0f} ms)"
        return latents, f"one bar = one packet ({ms:.0f} ms)"

    def show_latents(self, view: BrickView) -> None:
        """In a view."""
        values = self.facts.spec.latent[0] * self.facts.spec.latent[1] if self.facts else 0
        view.show_wall(self.latents, SIGNED, _ticks(values), _describe_value)
        view.message = "slot is off" if self.facts is None else "" if values else "no latent: this codec sends packets"

    def show_tokens(self, view: BrickView) -> None:
        """In a view."""
        spec = self.facts.spec if self.facts else None
        if spec is None or not spec.tokens:
            colours = colormaps.lined(colormaps.shades(theme.PATHS[self.path]))
            view.show_wall(self.tokens, colours, [], self._describe_packet)
        else:
            count = spec.tokens * (spec.latent[1] if self.facts and self.facts.levels else 1)
            view.show_wall(self.tokens, ORDINAL, _ticks(count), self._describe_token)
        view.message = "" if self.facts else "slot is off"

    def _describe_token(self, brick: Brick, height: float) -> str:
        at = _value_at(brick, height)
        assert self.facts
        if not self.facts.levels:
            return f"token {at}"
        dims, top = self.facts.spec.latent[1], self.facts.levels - 1
        level = round(int(brick.values[at]) * top / (2 * bricks.ZERO))
        return f"token {at // dims}, digit {at % dims}: {level} of 0-{top}"

    def _describe_packet(self, brick: Brick, height: float) -> str:
        return f"{float(np.mean(brick.values > 0)) * self._largest:.0f} bytes"

    def show_use(self, view: TokenUse) -> str:
        """The last seconds' use in a view; what is to be said beside it."""
        view.path, view.message = self.path, ""
        if self._uses and self.facts:
            counts = np.sum(np.stack(self._uses), axis=0)
            view.show_use(counts, [str(level) for level in range(len(counts))])
            return f"entropy {entropy(counts):.1f} of {np.log2(self.facts.levels or len(counts)):.1f} bit"
        if self.facts is None:
            view.message = "slot is off"
        elif not self._sizes:
            view.message = "waiting for the first frame"
        elif not self.facts.spec.tokens:
            sizes = np.asarray(self._sizes)
            edges = np.linspace(0, max(float(sizes.max()) * 1.1, 1.0), 13)
            view.show_use(np.histogram(sizes, edges)[0], [f"{edge:.0f}" for edge in edges[:-1]])
            return f"{sizes.mean():.0f} bytes · {sizes.mean() * 8 / self.facts.frame_seconds / 1000:.1f} kbit/s"
        view.show_use(np.zeros(0, np.int64), [])
        return ""


def _ticks(values: int) -> list[tuple[float, str]]:
    return [(1.0, "0"), (0.5, str(values // 2)), (0.0, str(values - 1))] if values else []


def _value_at(brick: Brick, height: float) -> int:
    return min(int((1 - height) * len(brick.values)), len(brick.values) - 1)


def _describe_value(brick: Brick, height: float) -> str:
    at = _value_at(brick, height)
    return f"value {at}: {int(brick.values[at]) / bricks.ZERO - 1:+.2f}"
