"""One step of training: losses and gradients of the codec, updates of the discriminator and of the
codebooks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.mid_side import mid_side
from models.residual.network import ResidualNetwork
from models.training.residual.balancer import Balancer
from models.training.residual.config import RECIPES, Recipe, ResidualConfig
from models.training.residual.discriminators import (
    DISCRIMINATORS,
    MultiScaleStft,
    discriminator_loss,
    feature_loss,
    generator_loss,
)
from models.training.residual.spectral_losses import SPECTRA


@dataclass(frozen=True)
class StepResult:
    """Results of one step."""

    metrics: dict[str, float]  # losses by name
    tokens: Tensor  # int64 [B, K, S], of the batch
    output: Tensor  # [B, C, n], detached


@dataclass(frozen=True)
class Adversary:
    """A discriminator and its optimiser."""

    network: nn.Module
    optimiser: torch.optim.Optimizer

    def train_step(self, real: Tensor, generated: Tensor) -> None:
        """Train on a batch of sound and of codec output, each [B, C, n]."""
        loss = discriminator_loss(self.network(real), self.network(generated))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()

    def losses(self, real: Tensor, generated: Tensor, recipe: Recipe) -> dict[str, Tensor]:
        """Return the adversarial and the feature loss of codec output.

        The discriminator gets no gradient.
        """
        self.network.requires_grad_(False)
        with torch.no_grad():
            expected = self.network(real)
        found = self.network(generated)
        self.network.requires_grad_(True)
        return {"adversarial": generator_loss(found), "feature": feature_loss(expected, found, recipe.relative)}


def make_discriminator(config: ResidualConfig) -> nn.Module:
    """Return a new discriminator of the recipe's kind."""
    kind = DISCRIMINATORS[RECIPES[config.recipe].discriminator]
    if kind is MultiScaleStft:
        return MultiScaleStft(config.discriminator_width, config.discriminator_windows)
    return kind(config.discriminator_width)


def make_balancer(config: ResidualConfig) -> Balancer:
    """Return a balancer with the recipe's weights."""
    recipe = RECIPES[config.recipe]
    weights = {"wave": recipe.wave, "mel": recipe.mel}
    weights |= {"adversarial": recipe.adversarial, "feature": recipe.feature}
    return Balancer(weights)


def draw_books(config: ResidualConfig, books: int, items: int, generator: torch.Generator) -> Tensor:
    """Return the number of books [items] that each item is coded with (quantizer dropout).

    All, or 1 ... all at random.
    """
    some = torch.randint(1, books + 1, (items,), generator=generator)
    return torch.where(torch.rand(items, generator=generator) < config.dropout, some, books)


def to_mid_side(audio: Tensor, chosen: Tensor) -> Tensor:
    """Return stereo [B, 2, n] with the `chosen` [B] items as mid and side.

    Other numbers of channels unchanged.
    """
    if audio.shape[1] != 2:
        return audio
    return torch.where(chosen[:, None, None], mid_side(audio), audio)


def train_step(
    network: ResidualNetwork, audio: Tensor, config: ResidualConfig, balancer: Balancer, generator: torch.Generator,
    adversary: Adversary | None = None,
) -> StepResult:  # fmt: skip
    """Compute the network's gradients for a batch, and train the discriminator.

    Audio is [B, C, n], n a whole number of hops.
    """
    recipe, rate = RECIPES[config.recipe], network.config.sample_rate
    books = draw_books(config, network.config.quantiser.books, len(audio), generator).to(audio.device)
    swapped = (torch.rand(len(audio), generator=generator) < 0.5).to(audio.device)
    discriminator_learns = (
        adversary is not None and float(torch.rand((), generator=generator)) < config.discriminator_every
    )
    with torch.autocast(audio.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        latent = network.encoder(audio)
    quantised = network.quantiser(latent.float(), books)
    with torch.autocast(audio.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        output = network.decoder(quantised.codes).float()
    # Losses are computed on a leaf, so that each gradient can be weighted before it is sent through
    # the network.
    leaf = output.detach().requires_grad_()
    generated, real = to_mid_side(leaf, swapped), to_mid_side(audio, swapped)
    if adversary is not None and discriminator_learns:
        adversary.train_step(real, generated.detach())
    losses = {"wave": (leaf - audio).abs().mean(), "mel": SPECTRA[recipe.spectrum](generated, real, rate)}
    if adversary is not None:
        losses |= adversary.losses(real, generated, recipe)
    auxiliary_loss = recipe.commitment * quantised.commitment + recipe.codebook * quantised.codebook
    metrics = {name: float(loss.detach()) for name, loss in losses.items()}
    gradient = _output_gradient(losses, leaf, recipe, balancer)
    torch.autograd.backward([output, auxiliary_loss], [gradient, torch.ones_like(auxiliary_loss)])
    metrics["commitment"] = float(quantised.commitment.detach())
    return StepResult(metrics, quantised.tokens.detach(), output.detach())


def _output_gradient(losses: dict[str, Tensor], output: Tensor, recipe: Recipe, balancer: Balancer) -> Tensor:
    """Return the gradient of the weighted losses with respect to `output`.

    By the balancer if the recipe has one.
    """
    if recipe.balanced:
        return balancer.gradient(losses, output)[0]
    total = sum((balancer.weights[name] * loss for name, loss in losses.items()), output.new_zeros(()))
    (gradient,) = torch.autograd.grad(total, output)
    return gradient
