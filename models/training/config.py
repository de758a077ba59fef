"""Options of a training run of nano or another CoDiCodec, and the sizes of nano.

Sources: the recipe of CoDiCodec (arXiv 2509.09836), and easy consistency tuning (arXiv 2406.14548)
for the schedule from denoising to small steps. The regression pretraining is ours: it learns the
codes in minutes on a CPU.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from models.codec import CodecError
from models.codicodec.config import CoDiCodecConfig

STAGES = ("pretrain", "decoder", "consistency")
OLD_STAGES = {"warm": "pretrain"}  # names in states and commands of 0.1.0

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True)
class TrainConfig:
    """Options of one run, stored in its state.

    CodecError if a value is not allowed. Resuming may change the stage.
    """

    stage: str = "pretrain"
    steps: int = 4000  # of this stage; the learning rate falls to its end
    start_seconds: int = 1800  # of sound that a new network's start is fitted to
    start_rows: int = 45_000  # that each of its books is fitted to
    start_iterations: int = 6  # of k-means
    batch: int = 16  # pairs of adjacent frames, on each device
    seed: int = 0
    rate: float = 1e-3  # learning rate, RAdam
    frozen: tuple[str, ...] = ()  # prefixes of the names of weights that are not trained
    betas: tuple[float, float] = (0.9, 0.99)
    fall: float = 0.3  # last part of the stage, in which the learning rate falls to 5 % of itself
    clip: float = 1.0  # norm of the gradient
    ema: float = 0.999  # decay of the averaged weights
    precision: str = "bfloat16"  # autocast of the network; losses and weights are float32
    round_probability: float = 0.5  # that an item's codes are rounded (1 - FSQ-dropout)
    mel_weight: float = 1.0
    spectrum_weight: float = 1.0
    energy_weight: float = 0.3
    edge_weight: float = 0.1  # keeps codes from crowding at the ends of their range, which leaves most levels unused
    tie_weight: float = 0.05  # distance of answers at middle noise levels from the one-step answer
    context_noise: float = 0.4  # of the left frame when the right is decoded after it (u in 0 ... 1)
    shared_noise: float = 0.5  # part of batches in which both halves are decoded together, as in the parallel mode
    gap: tuple[float, float] = (0.5, 0.02)  # consistency: step in u at the start and at the end of the stage
    log_every: int = 20  # steps
    save_every: int = 500  # steps

    def __post_init__(self) -> None:
        if self.stage not in STAGES:
            raise CodecError(f'stage "{self.stage}" not known; give one of {STAGES}.')
        check_precision(self.precision)
        if self.steps < 1 or self.batch < 1:
            raise CodecError(f"steps {self.steps} and batch {self.batch} must be at least 1.")
        if self.start_seconds < 4 or self.start_rows < 1 or self.start_iterations < 2:
            raise CodecError(
                f"start_seconds {self.start_seconds}, start_rows {self.start_rows} and start_iterations "
                f"{self.start_iterations} must be at least 4, 1 and 2."
            )

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> TrainConfig:
        """Return the options of a saved state, also of one of 0.1.0."""
        return cls(**{**saved, "stage": OLD_STAGES.get(saved["stage"], saved["stage"])})

    def to_json(self) -> str:
        """Return the options as JSON with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True)

    def with_options(self, options: list[str]) -> TrainConfig:
        """Return the config changed by NAME=VALUE texts, values in JSON.

        CodecError names unknown options.
        """
        new = {f"stage={old}": f"stage={now}" for old, now in OLD_STAGES.items()}
        for option in options:
            if option in new:
                _tell_new_name(option, new[option])
        return with_options(self, [new.get(option, option) for option in options])


def with_options(config: ConfigT, options: list[str], renamed: Mapping[str, str] | None = None) -> ConfigT:
    """Return a config dataclass changed by NAME=VALUE texts, values in JSON or plain text.

    Old names in `renamed` still work, with a note on stderr. CodecError names unknown options and
    values of a wrong type.
    """
    known = {field.name for field in fields(config)}  # type: ignore[arg-type]
    changes: dict[str, Any] = {}
    for option in options:
        name, _, value = option.partition("=")
        if renamed and name in renamed:
            _tell_new_name(name, renamed[name])
            name = renamed[name]
        if name not in known:
            raise CodecError(f'option "{name}" not known; give one of {sorted(known)}.')
        try:
            given = json.loads(value)
        except json.JSONDecodeError:
            given = value
        changes[name] = tuple(given) if isinstance(given, list) else given
        now = getattr(config, name)
        if not isinstance(changes[name], (int, float) if isinstance(now, float) else type(now)):
            raise CodecError(f"option {option} has a value of the wrong type. Give such as {name}={json.dumps(now)}.")
    return replace(config, **changes)  # type: ignore[type-var]


def check_precision(precision: str) -> None:
    """Raise CodecError unless the precision is one that training offers."""
    if precision not in ("bfloat16", "float32"):
        raise CodecError(f'precision "{precision}" not possible in training; give bfloat16 or float32.')


def nano(start: str) -> CoDiCodecConfig:
    """Return the sizes of the bundled network nano with a learnt part, on a start of this digest.

    Frames of 8192 samples (171 ms), 64 tokens of 4 digits of 11 levels. That is 5.19 kbit/s. The
    codes are those of a start. A token of audio is a patch of 32 bins by 4 columns: elementwise work
    dominates on a CPU, so tokens are few and wide.
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
        layers=(0, 3, 3),
        heads=3,
        mlp_width=448,
        noise_width=128,
        latents=64,
        registers=4,
        levels=(11, 11, 11, 11),
        start=start,
        own_projections=True,
    )


def _tell_new_name(old: str, new: str) -> None:
    print(f'"{old}" is now called "{new}"', file=sys.stderr)
