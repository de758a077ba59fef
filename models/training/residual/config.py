"""All choices of one training run of the family, in one frozen value."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from models.codec import CodecError
from models.training.config import changed


@dataclass(frozen=True)
class Recipe:
    """How losses are weighed: `balanced` weights are shares of gradient (EnCodec's balancer), others factors."""

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
    loudness: float = 0.0  # of bands as a swift decoder tells them, not balanced


RECIPES = {
    "soundstream": Recipe("soundstream", "soundstream", False, False, 0.0, 1.0, 1.0, 100.0, 0.25),
    "encodec": Recipe("encodec", "encodec", True, True, 0.1, 1.0, 3.0, 3.0, 1.0),
    "dac": Recipe("dac", "dac", False, False, 0.0, 15.0, 1.0, 2.0, 0.25, 1.0),
    # Ours: EnCodec's balance of DAC's spectrum, and more of the waveform, so that pitch is right within a short run.
    # A balanced gradient has length 1 over all samples of a batch; against that a mean of squares weighs nothing.
    "swift": Recipe("swift", "encodec", True, True, 3.0, 0.0, 0.5, 0.5, 3.0, loudness=16.0),
}


@dataclass(frozen=True)
class ResidualConfig:
    """One run. A saved state carries it; what is set anew holds from there on."""

    recipe: str = "swift"
    steps: int = 4000  # the learning rate falls to the end
    batch: int = 8
    seconds: float = 0.5  # of an item
    seed: int = 0
    rate: float = 8e-4  # learning rate, Adam
    betas: tuple[float, float] = (0.8, 0.99)
    rise: int = 200  # first steps, in which the learning rate rises to itself
    fall: float = 0.5  # last part of the steps in which the learning rate falls to 2 % of itself
    clip: float = 1.0  # norm of the gradient, relative to its running mean
    dropout: float = 0.5  # how often an item is coded with a random number of books (quantizer dropout)
    adversarial: bool = False  # whether there is a discriminator
    judge_width: int = 16  # of the discriminator
    judge_windows: tuple[int, ...] = (2048, 512, 128)  # of EnCodec's
    judge_every: float = 0.67  # how often the discriminator learns
    judge_rate: float = 3e-4
    decay: float = 0.97  # of the books' running means: batches are small, and latents move fast
    restart: float = 0.4  # see models.rvq.Learning
    settle: int = 0  # step before which books are fitted to many batches, and stand still from there on; 0: never
    precision: str = "bfloat16"  # autocast of the codec; losses, discriminator and weights are float32
    log_every: int = 20  # steps
    save_every: int = 200  # steps

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise CodecError(f'recipe "{self.recipe}" not known; give one of {tuple(RECIPES)}.')
        if self.precision not in ("bfloat16", "float32"):
            raise CodecError(f'precision "{self.precision}" not possible in training; give bfloat16 or float32.')
        if self.steps < 1 or self.batch < 1 or self.seconds <= 0:
            raise CodecError(f"steps {self.steps}, batch {self.batch}, seconds {self.seconds}: give more than 0.")

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def with_options(self, options: list[str]) -> ResidualConfig:
        """Changed by NAME=VALUE texts, the values in JSON; CodecError names what is not known."""
        return changed(self, options)
