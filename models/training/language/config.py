"""All choices of one training run of a token language model, in one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from models.codec import CodecError
from models.language.language_weights import LanguageSizes
from models.training.config import with_options


@dataclass(frozen=True)
class LanguageConfig:
    """Sizes and steps of a run."""

    width: int = 96
    layers: int = 2
    heads: int = 4
    window: int = 64  # frames that attention reaches back
    frames: int = 128  # of a stretch
    batch: int = 8  # stretches a step
    steps: int = 2000
    rate: float = 1e-3
    rise: int = 20  # steps in which the rate rises; it falls to a twentieth over the second half
    average: float = 0.97  # of the averaged weights, that a step keeps
    tonal_frames: int = 1500  # frames that the weights of shape predictions are fitted to
    save_every: int = 50  # steps
    log_every: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.frames, self.batch, self.steps, self.window) < 2 or self.width % self.heads:
            raise CodecError(
                f"frames {self.frames}, batch {self.batch}, steps {self.steps}, window {self.window}, "
                f"width {self.width}, heads {self.heads}: give at least 2, and a width that heads divide."
            )

    @property
    def sizes(self) -> LanguageSizes:
        """Return the sizes of the network."""
        return LanguageSizes(self.width, self.layers, self.heads, self.window)

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step."""
        falling = min(1.0, 2 * (self.steps - step) / self.steps)
        return self.rate * min(1.0, (step + 1) / self.rise) * (0.05 + 0.95 * max(falling, 0.0))

    def with_options(self, options: list[str]) -> LanguageConfig:
        """Return the config changed by NAME=VALUE texts. CodecError names unknown options."""
        return with_options(self, options)
