"""What a run of the family is made of, saved so that it goes on as if it had never stopped."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.codec import CodecError
from models.pickled import unpickled
from models.residual import ResidualNetwork, from_json, to_json
from models.rvq import Learning
from models.training.residual.config import ResidualConfig
from models.training.residual.objective import make_balancer, make_discriminator


class ResidualState:
    """Network, books, balancer, optimisers and counts; a step's batch and choices follow from its number."""

    def __init__(self, network: ResidualNetwork, config: ResidualConfig) -> None:
        self.network = network.train()
        self.optimiser = torch.optim.Adam(network.parameters(), lr=config.rate, betas=config.betas)
        self.step = 0
        self.seconds = 0.0  # of training
        self.norm = 0.0  # running mean of the gradient's
        self.judge: nn.Module | None = None
        self.judge_optimiser: torch.optim.Optimizer | None = None
        self.balancer = make_balancer(config)
        self.set(config)

    def set(self, config: ResidualConfig) -> None:
        """Go on by another config. A discriminator that it asks for begins anew, unless there is one."""
        self.config = config
        still = 0 < config.settle <= self.step
        self.network.quantiser.learning = Learning(*((1.0, 0.0) if still else (config.decay, config.restart)))
        self.balancer.weights = make_balancer(config).weights
        if config.adversarial and self.judge is None:
            self.judge = make_discriminator(config)
            self.judge_optimiser = torch.optim.Adam(self.judge.parameters(), lr=config.judge_rate, betas=(0.5, 0.9))
        if not config.adversarial:
            self.judge = self.judge_optimiser = None

    def rate(self) -> float:
        """The learning rate of the next step."""
        left = (self.config.steps - self.step) / max(self.config.steps * self.config.fall, 1)
        risen = min(1.0, (self.step + 1) / max(self.config.rise, 1))
        return self.config.rate * risen * (0.02 + 0.98 * min(1.0, max(left, 0.0)))

    def save(self, path: Path) -> None:
        """Atomically: a state that exists is whole."""
        held = {
            "sizes": to_json(self.network.config),
            "config": asdict(self.config),
            "network": self.network.state_dict(),
            "books": self._books(),
            "begun": self.network.quantiser.begun,
            "optimiser": self.optimiser.state_dict(),
            "balancer": (self.balancer.sums, self.balancer.counts),
            "counts": {"step": self.step, "seconds": self.seconds, "norm": self.norm},
        }
        if self.judge is not None and self.judge_optimiser is not None:
            held["judge"] = (self.judge.state_dict(), self.judge_optimiser.state_dict())
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        torch.save(held, partial)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> ResidualState:
        """Everything as it was when saved; CodecError if the file is not a state."""
        if not path.is_file():
            raise CodecError(f'"{path}" is not there: no training was saved. Pass --state and the directory of one.')
        try:
            held: dict[str, Any] = unpickled(path)
            state = cls(ResidualNetwork(from_json(held["sizes"])), ResidualConfig(**held["config"]))
            state.network.load_state_dict(held["network"])
            for name, buffer in state._books().items():
                buffer.copy_(held["books"][name])
            state.network.quantiser.begun = held["begun"]
            state.optimiser.load_state_dict(held["optimiser"])
            state.balancer.sums, state.balancer.counts = held["balancer"]
            if "judge" in held and state.judge is not None and state.judge_optimiser is not None:
                state.judge.load_state_dict(held["judge"][0])
                state.judge_optimiser.load_state_dict(held["judge"][1])
        except (CodecError, RuntimeError, KeyError, TypeError) as error:
            raise CodecError(
                f'"{path}" is no saved state of such a network ({str(error).rstrip(".")}). Pass another directory.'
            ) from error
        for name, value in held["counts"].items():
            setattr(state, name, value)
        state.set(state.config)
        return state

    def _books(self) -> dict[str, Tensor]:
        """What books have learnt; how they are looked up is of the network's sizes."""
        return {name: buffer for name, buffer in self.network.quantiser.named_buffers() if not name.endswith("view")}
