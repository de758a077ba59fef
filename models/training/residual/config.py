"""Options of a training run of the residual family, and the recipes of losses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from models.codec import CodecError
from models.training.config import check_precision, with_options

RENAMED = {  # names in states and commands of 0.1.0
    "judge_width": "discriminator_width",
    "judge_windows": "discriminator_windows",
    "judge_every": "discriminator_every",
    "judge_rate": "discriminator_rate",
    "settle": "freeze_codebooks_at",
}


@dataclass(frozen=True)
class Recipe:
    """Losses and their weights.

    Weights are shares of the gradient if `balanced` (EnCodec's balancer), otherwise factors.
    """

    spectrum: str  # one of spectra.SPECTRA
    discriminator: str  # one of discriminators.DISCRIMINATORS
    balanced: bool
    relative: bool  # feature distances relative to the features' size
    wave: float  # L1 of samples
    mel: float  # the spectrum
    adversarial: float
    feature: float
    commitment: float
    codebook: float = 0.0


RECIPES = {
    "soundstream": Recipe("soundstream", "soundstream", False, False, 0.0, 1.0, 1.0, 100.0, 0.25),
    "encodec": Recipe("encodec", "encodec", True, True, 0.1, 1.0, 3.0, 3.0, 1.0),
    "dac": Recipe("dac", "dac", False, False, 0.0, 15.0, 1.0, 2.0, 0.25, 1.0),
}


@dataclass(frozen=True)
class ResidualConfig:
    """Options of one run, stored in its state; CodecError if they are not possible."""

    recipe: str = "encodec"
    steps: int = 4000  # the learning rate falls to the end
    batch: int = 8
    seconds: float = 0.5  # length of an item
    seed: int = 0
    rate: float = 8e-4  # learning rate, Adam
    betas: tuple[float, float] = (0.8, 0.99)
    rise: int = 200  # first steps, in which the learning rate rises from 0
    fall: float = 0.5  # last part of the steps, in which the learning rate falls to 2 % of itself
    clip: float = 1.0  # norm of the gradient, relative to its running mean
    dropout: float = 0.5  # probability that an item is coded with a random number of books (quantizer dropout)
    adversarial: bool = False  # train a discriminator
    discriminator_width: int = 16
    discriminator_windows: tuple[int, ...] = (2048, 512, 128)  # EnCodec's only
    discriminator_every: float = 0.67  # probability that the discriminator learns in a step
    discriminator_rate: float = 3e-4  # learning rate, Adam
    decay: float = 0.97  # of the codebooks' running means: batches are small, and latents change fast
    restart: float = 0.4  # see models.residual.rvq.CodebookTraining
    freeze_codebooks_at: int = 0  # step at which codebooks are fitted to many batches and then frozen; 0: never
    precision: str = "bfloat16"  # autocast of the codec; losses, discriminator and weights are float32
    log_every: int = 20  # steps
    save_every: int = 200  # steps

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise CodecError(f'recipe "{self.recipe}" not known; give one of {tuple(RECIPES)}.')
        check_precision(self.precision)
        if self.steps < 1 or self.batch < 1 or self.seconds <= 0:
            raise CodecError(f"steps {self.steps}, batch {self.batch}, seconds {self.seconds}: give more than 0.")

    @classmethod
    def from_saved(cls, fields: Mapping[str, Any]) -> ResidualConfig:
        """Return the options of a saved state, under their names of this version or of 0.1.0."""
        return cls(**{RENAMED.get(name, name): value for name, value in fields.items()})

    def to_json(self) -> str:
        """Return the options as JSON with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True)

    def with_options(self, options: list[str]) -> ResidualConfig:
        """Return the config changed by NAME=VALUE texts, values in JSON.

        CodecError names unknown options.
        """
        return with_options(self, options, RENAMED)
