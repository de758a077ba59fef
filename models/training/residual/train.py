"""The training loop of the family: `verdigris train --model swift PACK --state DIR`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from models.residual import ResidualNetwork
from models.residual_file import read, save
from models.rvq_health import health
from models.swift import swift
from models.training.augment import batch
from models.training.data import Pack
from models.training.residual.config import ResidualConfig
from models.training.residual.objective import Outcome, learn
from models.training.residual.start import fit
from models.training.residual.state import ResidualState
from models.training.state import Curves

Batches = Callable[[int], Tensor]  # step -> audio float32 [B, C, samples]
MODELS = {"swift": swift}
SETTLED = 120  # batches of 8 s that books are fitted to in the end
LOUDEST_STEP = 3.0  # a gradient this many times longer than usual is cut to that


def batches(pack: Pack, config: ResidualConfig, hop: int) -> Batches:
    """A step's batch, drawn from the numbers of seed and step alone; whole hops."""
    samples = round(config.seconds * 48000 / hop) * hop

    def draw(step: int) -> Tensor:
        return batch(pack, np.random.default_rng([config.seed, step]), config.batch, samples)

    return draw


def as_they_are(pack: Pack) -> Batches:
    """Stretches of a second with nothing done to them: as music is played."""
    return lambda step: pack.draw(np.random.default_rng([5, step]), 8, 48000)


def one_step(state: ResidualState, audio: Tensor) -> Outcome:
    """Train on one batch. A step whose gradient is no number is left out."""
    network, config = state.network, state.config
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + state.step)
    network.quantiser.generator.manual_seed(config.seed * 1_000_033 + state.step)
    state.optimiser.zero_grad(set_to_none=True)
    outcome = learn(network, audio, config, state.balancer, generator, state.judge, state.judge_optimiser)
    weights = [weight for weight in network.parameters() if weight.grad is not None]
    usual = state.norm or float("inf")
    norm = float(torch.nn.utils.clip_grad_norm_(weights, LOUDEST_STEP * config.clip * usual))
    if np.isfinite(norm):
        state.norm = norm if not state.norm else 0.98 * state.norm + 0.02 * min(norm, LOUDEST_STEP * usual)
        for group in state.optimiser.param_groups:
            group["lr"] = state.rate()
        state.optimiser.step()
    state.step += 1
    outcome.shown["gradient"] = norm
    return outcome


@torch.no_grad()
def settle(state: ResidualState, draw: Batches) -> None:
    """Fit the books to more than a step sees, as at the start: running means of single batches are rough."""
    quantiser = state.network.quantiser
    latents = [state.network.encoder(draw(state.step + number)) for number in range(SETTLED)]
    quantiser.begun = False
    quantiser(torch.cat([latent.transpose(0, 1).flatten(1) for latent in latents], 1)[None])
    state.set(state.config)


def run(
    state: ResidualState, draw: Batches, folder: Path, minutes: float | None = None, show: bool = True,
    plain: Batches | None = None,
) -> None:  # fmt: skip
    """Train to the end of the steps or of the time; state.pt and curves.csv are in `folder` however it ends.

    Books are settled on `plain` (None: on what is drawn).
    """
    curves, console = Curves(folder / "curves.csv", COLUMNS), Console(stderr=True)
    begun = last = time.perf_counter()
    kept: list[Outcome] = []
    try:
        while state.step < state.config.steps and (minutes is None or last - begun < 60 * minutes):
            if 0 < state.config.settle == state.step:
                settle(state, plain or draw)
            kept.append(one_step(state, draw(state.step)))
            now = time.perf_counter()
            state.seconds += now - last
            last = now
            if state.step % state.config.log_every == 0:
                row = _row(state, kept)
                curves.add({name: f"{v:.5g}" if isinstance(v, float) else v for name, v in row.items()})
                if show:
                    shown = "  ".join(f"{n} {row[n]:.3f}" for n in SHOWN if n in row)
                    console.print(f"{state.step}/{state.config.steps}  {shown}", highlight=False)
                kept.clear()
            if state.step % state.config.save_every == 0:
                state.save(folder / "state.pt")
    finally:
        state.save(folder / "state.pt")


def _row(state: ResidualState, kept: list[Outcome]) -> dict[str, float | str]:
    """Means over the steps kept, and the health of the books over all their tokens."""
    row: dict[str, float | str] = {
        name: float(np.mean([outcome.shown[name] for outcome in kept if name in outcome.shown]))
        for name in kept[-1].shown
    }
    tokens = np.concatenate([outcome.tokens.transpose(1, 2).flatten(0, 1).cpu().numpy() for outcome in kept])
    books = health(tokens, state.network.config.quantiser.size)
    return row | {
        "step": float(state.step),
        "seconds": round(state.seconds, 1),
        "rate": state.rate(),
        "used": min(book.use for book in books),
        "perplexity": min(book.perplexity for book in books),
        "dead": float(max(book.dead for book in books)),
        "bits": sum(book.bits for book in books),
    }


def open_state(
    folder: Path, model: str, options: list[str], weights: Path | None, packs: list[Path]
) -> ResidualState:  # fmt: skip
    """The state in the folder, with options set anew; else a new one, of a checkpoint or else fitted to the packs."""
    path = folder / "state.pt"
    if path.exists():
        state = ResidualState.load(path)
        state.set(state.config.with_options(options))
        return state
    config = ResidualConfig().with_options(options)
    if weights:
        network = read(weights)
        network.quantiser.begun = True
    else:
        network = fit(ResidualNetwork(MODELS[model]()).randomise(config.seed), Pack(packs), config.seed)
    return ResidualState(network, config)


def export(state: ResidualState, path: Path) -> None:
    """The weights, in float16, as a checkpoint that `models.load` reads and tapes know by the file's name."""
    state.network.rename(path.stem)
    save(state.network, path, torch.float16)


SHOWN = ("mel", "wave", "adversarial", "feature", "loudness", "commitment", "gradient", "used", "perplexity")
COLUMNS = [
    "step", "seconds", "mel", "wave", "loudness", "adversarial", "feature", "commitment", "gradient", "rate",
    "used", "perplexity", "dead", "bits",
]  # fmt: skip
# used, perplexity, dead: of the worst book, over the steps between two rows; bits: entropy of a frame's tokens
