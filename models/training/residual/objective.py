"""One step of training: the codec's losses and their gradients, the discriminator's turn, the books' learning."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.lapped import Described, Shaped
from models.residual import ResidualNetwork
from models.training.residual.balancer import Balancer
from models.training.residual.config import RECIPES, ResidualConfig
from models.training.residual.discriminators import (
    DISCRIMINATORS,
    MultiScaleStft,
    discriminator_loss,
    feature_loss,
    generator_loss,
)
from models.training.residual.spectra import SPECTRA, loudness


@dataclass(frozen=True)
class Outcome:
    """What a step showed: numbers by name, and the tokens [B, K, S] of its batch."""

    shown: dict[str, float]
    tokens: Tensor
    output: Tensor  # [B, C, n], detached


def make_discriminator(config: ResidualConfig) -> nn.Module:
    kind = DISCRIMINATORS[RECIPES[config.recipe].discriminator]
    if kind is MultiScaleStft:
        return MultiScaleStft(config.judge_width, config.judge_windows)
    return kind(config.judge_width)


def make_balancer(config: ResidualConfig) -> Balancer:
    recipe = RECIPES[config.recipe]
    weights = {"wave": recipe.wave, "mel": recipe.mel}
    weights |= {"adversarial": recipe.adversarial, "feature": recipe.feature}
    return Balancer(weights)


def draw_books(config: ResidualConfig, books: int, items: int, generator: torch.Generator) -> Tensor:
    """Quantizer dropout: how many books each item is coded with, all or 1 ... all at random."""
    some = torch.randint(1, books + 1, (items,), generator=generator)
    return torch.where(torch.rand(items, generator=generator) < config.dropout, some, books)


def views(audio: Tensor, swapped: Tensor) -> Tensor:
    """Stereo [B, 2, n] as left and right, or, where `swapped` [B], as middle and side; others as they are."""
    if audio.shape[1] != 2:
        return audio
    left, right = audio.unbind(1)
    turned = torch.stack([left + right, left - right], 1) * 0.5**0.5
    return torch.where(swapped[:, None, None], turned, audio)


def decoded(network: ResidualNetwork, codes: Tensor, whole: bool) -> tuple[list[Tensor], Tensor | None]:
    """Of codes [B, width, S] the sound (unless not `whole`) and last its waveform as far as it is said; how loud bands
    [B, S, ...] are told to be.

    A network that tells no loudness says all of the waveform; one that does (Shaped) fills what it says with noise.
    """
    *before, made, last = network.decoder.layers
    if not isinstance(made, Shaped):
        return [network.decoder(codes).float()], None
    said = codes
    for layer in before:
        said = layer(said)
    said = said.float()
    rows = said.transpose(1, 2)
    plain = last(made.shape(rows).flatten(2).transpose(1, 2))
    return [last(made(said)), plain] if whole else [plain], made.loudness(rows)


@torch.no_grad()
def energies(network: ResidualNetwork, audio: Tensor) -> tuple[Tensor, Tensor]:
    """What bands should be told to have [B, S, channels, bands], and what each of them weighs [bands]."""
    (lapped, seen), made = network.encoder.layers[:2], network.decoder.layers[-2]
    assert isinstance(seen, Described)
    assert isinstance(made, Shaped)
    return seen.energy(lapped(audio).transpose(1, 2)), made.weight


def learn(
    network: ResidualNetwork, audio: Tensor, config: ResidualConfig, balancer: Balancer, generator: torch.Generator,
    judge: nn.Module | None = None, judge_optimiser: torch.optim.Optimizer | None = None,
) -> Outcome:  # fmt: skip
    """Leave gradients in the network (and step the discriminator); audio [B, C, n], n a whole number of hops."""
    recipe, rate = RECIPES[config.recipe], network.config.sample_rate
    books = draw_books(config, network.config.quantiser.books, len(audio), generator).to(audio.device)
    swapped = (torch.rand(len(audio), generator=generator) < 0.5).to(audio.device)
    judge_learns = judge is not None and float(torch.rand((), generator=generator)) < config.judge_every
    with torch.autocast(audio.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        latent = network.encoder(audio)
    quantised = network.quantiser(latent.float(), books)
    with torch.autocast(audio.device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        heard, told = decoded(network, quantised.codes, bool(recipe.mel) or judge is not None)
    output = torch.stack(heard)  # what is not whole is compared as a waveform only
    # Losses are taken on a leaf, so that each one's gradient can be weighed before it goes through the network.
    leaf = output.detach().requires_grad_()
    made, wanted = views(leaf[0], swapped), views(audio, swapped)
    if judge is not None and judge_learns:
        assert judge_optimiser is not None
        loss = discriminator_loss(judge(wanted), judge(made.detach()))
        judge_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        judge_optimiser.step()
    losses = {"wave": (leaf[-1] - audio).abs().mean()}
    if recipe.mel:
        losses["mel"] = SPECTRA[recipe.spectrum](made, wanted, rate)
    if judge is not None:
        for weight in judge.parameters():
            weight.requires_grad_(False)
        with torch.no_grad():
            real = judge(wanted)
        judged = judge(made)
        losses["adversarial"] = generator_loss(judged)
        losses["feature"] = feature_loss(real, judged, recipe.relative)
        for weight in judge.parameters():
            weight.requires_grad_(True)
    if recipe.balanced:
        gradient, _ = balancer.gradient(losses, leaf)
    else:
        total = sum((balancer.weights[name] * loss for name, loss in losses.items()), leaf.new_zeros(()))
        (gradient,) = torch.autograd.grad(total, leaf)
    aside = recipe.commitment * quantised.commitment + recipe.codebook * quantised.codebook
    shown = {name: float(loss.detach()) for name, loss in losses.items()}
    if told is not None:
        apart = loudness(told, *energies(network, audio))
        aside = aside + recipe.loudness * apart
        shown["loudness"] = float(apart.detach())
    torch.autograd.backward([output, aside], [gradient, torch.ones_like(aside)])
    shown["commitment"] = float(quantised.commitment.detach())
    return Outcome(shown, quantised.tokens.detach(), heard[0].detach())
