"""State of a training run of the residual family, saved so that a resumed run continues exactly."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from models.codec import CodecError
from models.residual.checkpoint import from_file_names, to_file_names
from models.residual.network import ResidualNetwork, from_json, to_json
from models.residual.rvq import CodebookTraining
from models.training.residual.config import ResidualConfig
from models.training.residual.discriminators import with_new_names
from models.training.residual.objective import Adversary, make_balancer, make_discriminator
from models.training.state import not_a_state, read_state, replace_file


class ResidualState:
    """Network, codebooks, balancer, discriminator, optimisers and counts.

    A step's batch and random choices depend on its number alone.
    """

    def __init__(self, network: ResidualNetwork, config: ResidualConfig) -> None:
        self.network = network.train()
        self.optimiser = torch.optim.Adam(network.parameters(), lr=config.rate, betas=config.betas)
        self.step = 0
        self.seconds = 0.0  # of training
        self.norm = 0.0  # running mean of the gradient's norm
        self.adversary: Adversary | None = None
        self.balancer = make_balancer(config)
        self.set(config)

    def set(self, config: ResidualConfig) -> None:
        """Continue with another config.

        A discriminator is made if the config has one and there is none.
        """
        self.config = config
        frozen = 0 < config.freeze_codebooks_at <= self.step
        training = CodebookTraining(1.0, 0.0) if frozen else CodebookTraining(config.decay, config.restart)
        self.network.quantiser.book_training = training
        self.balancer.weights = make_balancer(config).weights
        if not config.adversarial:
            self.adversary = None
        elif self.adversary is None:
            network = make_discriminator(config)
            optimiser = torch.optim.Adam(network.parameters(), lr=config.discriminator_rate, betas=(0.5, 0.9))
            self.adversary = Adversary(network, optimiser)

    def rate(self) -> float:
        """Return the learning rate of the next step."""
        left = (self.config.steps - self.step) / max(self.config.steps * self.config.fall, 1)
        risen = min(1.0, (self.step + 1) / max(self.config.rise, 1))
        return self.config.rate * risen * (0.02 + 0.98 * min(1.0, max(left, 0.0)))

    def save(self, path: Path) -> None:
        """Write the state. A file of the name `path` is always complete."""
        held = {
            "sizes": to_json(self.network.config),
            "config": asdict(self.config),
            "network": to_file_names(self.network.state_dict()),
            "books": self._books(),
            "begun": self.network.quantiser.initialised,
            "optimiser": self.optimiser.state_dict(),
            "balancer": (self.balancer.sums, self.balancer.counts),
            "counts": {"step": self.step, "seconds": self.seconds, "norm": self.norm},
        }
        if self.adversary is not None:
            held["judge"] = (self.adversary.network.state_dict(), self.adversary.optimiser.state_dict())
        replace_file(path, held)

    @classmethod
    def load(cls, path: Path) -> ResidualState:
        """Return the state that `save` wrote.

        CodecError if the file does not exist or is not a state.
        """
        held = read_state(path)
        try:
            state = cls(ResidualNetwork(from_json(held["sizes"])), ResidualConfig.from_saved(held["config"]))
            state.network.load_state_dict(from_file_names(held["network"]))
            for name, buffer in state._books().items():
                buffer.copy_(held["books"][name])
            state.network.quantiser.initialised = held["begun"]
            state.optimiser.load_state_dict(held["optimiser"])
            state.balancer.sums, state.balancer.counts = held["balancer"]
            if "judge" in held and state.adversary is not None:
                state.adversary.network.load_state_dict(with_new_names(held["judge"][0]))
                state.adversary.optimiser.load_state_dict(held["judge"][1])
        except (CodecError, RuntimeError, KeyError, TypeError) as error:
            raise not_a_state(path, error) from error
        for name, value in held["counts"].items():
            setattr(state, name, value)
        state.set(state.config)
        return state

    def _books(self) -> dict[str, Tensor]:
        """Return the buffers that training changes."""
        return dict(self.network.quantiser.named_buffers())
