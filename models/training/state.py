"""What a run is made of, saved so that it goes on as if it had never stopped; and the averaged weights to ship."""

from __future__ import annotations

import copy
import csv
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.codec import CodecError
from models.config import CoDiCodecConfig
from models.network import CoDiCodecNetwork
from models.pickled import unpickled
from models.training.config import TrainConfig


class TrainState:
    """Network, averaged network, optimiser and counts. A step's batch and noise depend on `seen` steps alone."""

    def __init__(self, network: CoDiCodecNetwork, config: TrainConfig) -> None:
        self.network = network.train()
        self.average = copy.deepcopy(network).requires_grad_(False).eval()
        self.config = config
        self.optimiser = _optimiser(network, config)
        self.step = 0  # of this stage
        self.seen = 0  # steps of all stages
        self.pairs = 0
        self.seconds = 0.0  # of training, all stages

    def change(self, config: TrainConfig) -> None:
        """Go on with other choices; another stage begins."""
        if config.stage != self.config.stage:
            self.begin(config)
        self.config = config
        _freeze(self.network, config)

    def begin(self, config: TrainConfig) -> None:
        """Go on with another stage from the averaged weights: its steps from 0, the optimiser anew."""
        self.config = config
        self.step = 0
        self.network.load_state_dict(self.average.state_dict())
        self.optimiser = _optimiser(self.network, config)

    @torch.no_grad()
    def update_average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))  # old stages fade first
        mine: list[Tensor] = list(self.average.parameters())
        other: list[Tensor] = list(self.network.parameters())
        torch._foreach_lerp_(mine, other, 1 - decay)

    def rate(self) -> float:
        """The learning rate of the next step."""
        left = (self.config.steps - self.step) / max(self.config.steps * self.config.fall, 1)
        return self.config.rate * (0.05 + 0.95 * min(1.0, max(left, 0.0)))

    def save(self, path: Path) -> None:
        """Atomically: a state that exists is whole."""
        held = {
            "sizes": self.network.config.to_json(),
            "config": asdict(self.config),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "counts": {"step": self.step, "seen": self.seen, "pairs": self.pairs, "seconds": self.seconds},
            "rng": torch.get_rng_state(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        torch.save(held, partial)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> TrainState:
        """Everything as it was when saved; CodecError if the file is not a state."""
        if not path.is_file():
            raise CodecError(f'"{path}" is not there: no training was saved. Pass --state and the directory of one.')
        try:
            held: dict[str, Any] = unpickled(path)
            config = TrainConfig(**held["config"])
            network = CoDiCodecNetwork(CoDiCodecConfig.from_json(held["sizes"]))
            state = cls(network, config)
            state.network.load_state_dict(held["network"])
            state.average.load_state_dict(held["average"])
            state.optimiser.load_state_dict(held["optimiser"])
        except (CodecError, RuntimeError, KeyError, TypeError) as error:
            raise CodecError(
                f'"{path}" is no saved state of such a network ({str(error).rstrip(".")}). Pass another directory.'
            ) from error
        for name, value in held["counts"].items():
            setattr(state, name, value)
        torch.set_rng_state(held["rng"])
        return state


def _freeze(network: CoDiCodecNetwork, config: TrainConfig) -> None:
    """Frozen weights get no gradient."""
    for name, weight in network.named_parameters():
        weight.requires_grad_(not name.startswith(config.frozen))


def _optimiser(network: CoDiCodecNetwork, config: TrainConfig) -> torch.optim.Optimizer:
    """Of all weights, those that are frozen too."""
    _freeze(network, config)
    return torch.optim.RAdam(network.parameters(), lr=config.rate, betas=config.betas)


class Curves:
    """A CSV file of what a run showed, appended to on resume; columns are those of its first row."""

    def __init__(self, path: Path, columns: list[str] | None = None) -> None:
        self.path, self.columns = path, columns or COLUMNS

    def add(self, row: dict[str, float | str]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+", newline="") as file:
            file.seek(0)
            begun = next(csv.reader(file), [])
            writer = csv.DictWriter(file, begun or self.columns, extrasaction="ignore", restval="")
            if not begun:
                writer.writeheader()
            writer.writerow(row)


COLUMNS = [
    "stage",
    "step",
    "seen",
    "pairs",
    "seconds",
    "loss",
    "mel",
    "spectrum",
    "energy",
    "low",
    "second",
    "tie",
    "huber",
    "gradient",
    "rate",
    "code",
    "used",
]  # code: mean |z|; used: part of the levels in use in a batch


def use_of_levels(codes: Tensor, levels: tuple[int, ...]) -> float:
    """The part of all levels of all digits that occur in codes [..., dims]."""
    used = 0
    for dim, level in enumerate(levels):
        digits = torch.round(codes[..., dim] * (level // 2))
        used += len(torch.unique(digits))
    return used / sum(levels)
