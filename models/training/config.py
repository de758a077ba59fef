"""All choices of one training run, in one frozen value, and the sizes of the bundled network.

Sources: the recipe of CoDiCodec (arXiv 2509.09836), easy consistency tuning (arXiv 2406.14548) for the schedule from
denoising to small steps, and what a CPU prototype showed: a regression warm start learns the codes in minutes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from models.codec import CodecError
from models.config import CoDiCodecConfig

STAGES = ("warm", "decoder", "consistency")


@dataclass(frozen=True)
class TrainConfig:
    """One run: a stage of the recipe, how long, on what. A saved state carries it; resuming may change the stage."""

    stage: str = "warm"
    steps: int = 4000  # of this stage; the learning rate falls to its end
    batch: int = 16  # pairs of adjacent frames, on each device
    seed: int = 0
    rate: float = 1e-3  # learning rate, RAdam
    frozen: tuple[str, ...] = ()  # beginnings of the names of weights that stay as they are
    betas: tuple[float, float] = (0.9, 0.99)
    fall: float = 0.3  # last part of the stage in which the learning rate falls to 5 % of itself
    clip: float = 1.0  # norm of the gradient
    ema: float = 0.999
    precision: str = "bfloat16"  # autocast of the network; losses and weights are float32
    round_probability: float = 0.5  # of an item's codes being rounded (1 - FSQ-dropout)
    mel_weight: float = 1.0
    spectrum_weight: float = 1.0
    energy_weight: float = 0.3
    low_weight: float = 1.0  # the low band's complex spectrum, where the network has a prior
    edge_weight: float = 0.1  # keeps codes from crowding at the ends of their range, where most levels are never used
    tie_weight: float = 0.05  # middle noise levels to the one-step answer
    context_noise: float = 0.4  # of the left frame when the right is decoded after it (u in 0 ... 1)
    shared_noise: float = 0.5  # part of batches in which both halves are decoded together, as the parallel mode does
    gap: tuple[float, float] = (0.5, 0.02)  # consistency: step in u at the start and at the end of the stage
    log_every: int = 20  # steps
    save_every: int = 500  # steps

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise CodecError(f'stage "{self.stage}" not known; give one of {STAGES}.')
        if self.precision not in ("bfloat16", "float32"):
            raise CodecError(f'precision "{self.precision}" not possible in training; give bfloat16 or float32.')
        if self.steps < 1 or self.batch < 1:
            raise CodecError(f"steps {self.steps} and batch {self.batch} must be at least 1.")

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def with_options(self, options: list[str]) -> TrainConfig:
        """Changed by NAME=VALUE texts, the values in JSON; CodecError names what is not known."""
        return changed(self, options)


def changed(config: Any, options: list[str]) -> Any:
    """A frozen config changed by NAME=VALUE texts, the values in JSON; CodecError names what is not known."""
    known = {f.name for f in fields(config)}
    changes: dict[str, Any] = {}
    for option in options:
        name, _, value = option.partition("=")
        if name not in known:
            raise CodecError(f'option "{name}" not known; give one of {sorted(known)}.')
        try:
            given = json.loads(value)
        except json.JSONDecodeError:
            given = value
        changes[name] = tuple(given) if isinstance(given, list) else given
        now = getattr(config, name)
        if not isinstance(changes[name], (int, float) if isinstance(now, float) else type(now)):
            raise CodecError(f"option {option} cannot be. Give such as {name}={json.dumps(now)}.")
    return replace(config, **changes)


def nano() -> CoDiCodecConfig:
    """The bundled network: frames of 8192 samples (171 ms), 64 tokens of 4 digits of 11, 5.19 kbit/s.

    A token of audio is a patch of 32 bins by 4 columns: on a CPU elementwise work dominates, so tokens are few and
    wide. Layers were chosen by measured speed: about a fifth of real time on two cores at 2 steps.
    What it knew before it was trained is its prior: the waveform below 470 Hz and the loudness of 64 bands above.
    """
    return CoDiCodecConfig(
        name="nano",
        sample_rate=48000,
        stft_hop=1024,
        stft_window=2048,
        columns=8,
        patch=(32, 4),
        channels=(288,),
        strides=(),
        blocks=(1,),
        width=288,
        layers=(2, 3, 3),
        heads=3,
        mlp_width=448,
        noise_width=128,
        latents=64,
        registers=4,
        levels=(11, 11, 11, 11),
        low_bins=20,
        bands=64,
        own_projections=True,
        log_planes=True,
    )
