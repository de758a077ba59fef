"""All choices of one fit, in one frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from models.codec import CodecError
from models.training.config import with_options


@dataclass(frozen=True)
class SwiftConfig:
    """One fit of swift's books."""

    seconds: int = 7200  # of sound that is analysed
    rows: int = 80_000  # that each book is fitted to
    rounds: int = 2  # of re-estimating the shape books on what the codec codes
    round_seconds: int = 2000  # of sound in each of those rounds
    iterations: int = 6  # of k-means
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.seconds, self.round_seconds) < 4 or self.rows < 1 or self.iterations < 2 or self.rounds < 0:
            raise CodecError(
                f"seconds {self.seconds}, round_seconds {self.round_seconds}, rows {self.rows}, iterations "
                f"{self.iterations}, rounds {self.rounds}: give at least 4, 4, 1, 2 and 0."
            )

    def with_options(self, options: list[str]) -> SwiftConfig:
        """Return the config changed by NAME=VALUE texts, values in JSON.

        CodecError names unknown options.
        """
        return with_options(self, options)
