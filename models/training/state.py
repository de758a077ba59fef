"""State of a training run of a CoDiCodec network, saved so that a resumed run continues exactly."""

from __future__ import annotations

import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.codec import CodecError
from models.codicodec.config import CoDiCodecConfig
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.start.start_weights import weights_of
from models.training.config import TrainConfig
from models.weights_io.safe_unpickle import load_checkpoint_safely


class TrainState:
    """Network, averaged network, optimiser and counts.

    A step's batch and noise depend on `seen` alone.
    """

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
        """Continue with another config; another stage is started."""
        if config.stage != self.config.stage:
            self.start_stage(config)
        self.config = config
        _freeze(self.network, config)

    def start_stage(self, config: TrainConfig) -> None:
        """Start another stage from the averaged weights, with step 0 and a new optimiser."""
        self.config = config
        self.step = 0
        self.network.load_state_dict(self.average.state_dict())
        self.optimiser = _optimiser(self.network, config)

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the averaged weights towards the network's."""
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))  # the start of a stage is soon forgotten
        averages: list[Tensor] = list(self.average.parameters())
        weights: list[Tensor] = list(self.network.parameters())
        torch._foreach_lerp_(averages, weights, 1 - decay)

    def rate(self) -> float:
        """Return the learning rate of the next step."""
        left = (self.config.steps - self.step) / max(self.config.steps * self.config.fall, 1)
        return self.config.rate * (0.05 + 0.95 * min(1.0, max(left, 0.0)))

    def save(self, path: Path) -> None:
        """Write the state. A file of the name `path` is always complete."""
        held = {
            "sizes": self.network.config.to_json(),
            "config": asdict(self.config),
            "network": self.network.state_dict(),
            "start": self.network.start.tensors if self.network.start else {},
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "counts": {"step": self.step, "seen": self.seen, "pairs": self.pairs, "seconds": self.seconds},
            "rng": torch.get_rng_state(),
        }
        replace_file(path, held)

    @classmethod
    def load(cls, path: Path) -> TrainState:
        """Return the state that `save` wrote.

        CodecError if the file does not exist or is not a state.
        """
        held = read_state(path)
        try:
            config = TrainConfig.from_saved(held["config"])
            network = CoDiCodecNetwork(CoDiCodecConfig.from_json(held["sizes"]))
            network.start = weights_of(held["start"], f'"{path}"') if network.config.start else None
            state = cls(network, config)
            state.network.load_state_dict(held["network"])
            state.average.load_state_dict(held["average"])
            state.optimiser.load_state_dict(held["optimiser"])
        except (CodecError, RuntimeError, KeyError, TypeError) as error:
            raise not_a_state(path, error) from error
        for name, value in held["counts"].items():
            setattr(state, name, value)
        torch.set_rng_state(held["rng"])
        return state


def replace_file(path: Path, held: dict[str, Any]) -> None:
    """Save `held` by torch under a temporary name, then give it the name `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    torch.save(held, partial)
    partial.replace(path)


def read_state(path: Path) -> dict[str, Any]:
    """Return what `replace_file` saved. CodecError if the file does not exist or is not a checkpoint."""
    if not path.is_file():
        raise CodecError(f'"{path}" does not exist: no training was saved. Pass --state and its directory.')
    try:
        held: dict[str, Any] = load_checkpoint_safely(path)
    except (CodecError, RuntimeError, KeyError, TypeError) as error:
        raise not_a_state(path, error) from error
    return held


def not_a_state(path: Path, error: Exception) -> CodecError:
    """Return the error for a file that is not a saved state of the wanted kind."""
    reason = str(error).rstrip(".")
    return CodecError(f'"{path}" is not a saved state of such a network ({reason}). Pass another directory.')


def _freeze(network: CoDiCodecNetwork, config: TrainConfig) -> None:
    """Switch off the gradients of frozen weights, and switch on all others."""
    for name, weight in network.named_parameters():
        weight.requires_grad_(not name.startswith(config.frozen))


def _optimiser(network: CoDiCodecNetwork, config: TrainConfig) -> torch.optim.Optimizer:
    """Return a new optimiser of all weights, including frozen ones."""
    _freeze(network, config)
    return torch.optim.RAdam(network.parameters(), lr=config.rate, betas=config.betas)
