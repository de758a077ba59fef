"""Training loop of the residual family: `verdigris train --model soundstream PACK --state DIR`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from models.residual.checkpoint import read, save
from models.residual.codebook_usage import codebook_usage
from models.residual.network import ResidualNetwork
from models.residual.seanet import soundstream
from models.training.augment import batch
from models.training.curves import Curves, rounded
from models.training.data import Pack
from models.training.residual.config import ResidualConfig
from models.training.residual.objective import StepResult, train_step
from models.training.residual.state import ResidualState

Batches = Callable[[int], Tensor]  # step -> audio float32 [B, C, samples]
MODELS = {"soundstream": replace(soundstream(), sample_rate=48_000, channels=2)}  # as packs are
FITTED_BATCHES = 120  # batches of 8 s that codebooks are fitted to before they are frozen
MAX_GRADIENT = 3.0  # times the running mean of the norm, to which a longer gradient is cut


def batches(pack: Pack, config: ResidualConfig, hop: int) -> Batches:
    """Return augmented batches of whole hops.

    A batch depends on the seed and the step's number alone.
    """
    samples = round(config.seconds * 48000 / hop) * hop

    def draw(step: int) -> Tensor:
        return batch(pack, np.random.default_rng([config.seed, step]), config.batch, samples)

    return draw


def identity_batches(pack: Pack) -> Batches:
    """Return batches of eight stretches of 1 s without augmentation."""
    return lambda step: pack.draw(np.random.default_rng([5, step]), 8, 48000)


def one_step(state: ResidualState, audio: Tensor) -> StepResult:
    """Train on one batch [B, C, samples]. Weights are not changed if the gradient is not finite."""
    network, config = state.network, state.config
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + state.step)
    network.quantiser.generator.manual_seed(config.seed * 1_000_033 + state.step)
    state.optimiser.zero_grad(set_to_none=True)
    result = train_step(network, audio, config, state.balancer, generator, state.adversary)
    weights = [weight for weight in network.parameters() if weight.grad is not None]
    mean = state.norm or float("inf")
    norm = float(torch.nn.utils.clip_grad_norm_(weights, MAX_GRADIENT * config.clip * mean))
    if np.isfinite(norm):
        state.norm = norm if not state.norm else 0.98 * state.norm + 0.02 * min(norm, MAX_GRADIENT * mean)
        for group in state.optimiser.param_groups:
            group["lr"] = state.rate()
        state.optimiser.step()
    state.step += 1
    result.metrics["gradient"] = norm
    return result


@torch.no_grad()
def refit_codebooks(state: ResidualState, draw: Batches) -> None:
    """Fit the codebooks again, to 120 batches, because running means of single batches are rough."""
    quantiser = state.network.quantiser
    latents = [state.network.encoder(draw(state.step + number)) for number in range(FITTED_BATCHES)]
    quantiser.initialised = False
    quantiser(torch.cat([latent.transpose(0, 1).flatten(1) for latent in latents], 1)[None])
    state.set(state.config)


def run(
    state: ResidualState, draw: Batches, folder: Path, minutes: float | None = None, show: bool = True,
    plain: Batches | None = None,
) -> None:  # fmt: skip
    """Train to the end of the steps or of the time.

    State.pt and curves.csv are written to `folder` in any case.

    At `freeze_codebooks_at`, codebooks are fitted to batches of `plain` (None: of `draw`).
    """
    curves, console = Curves(folder / "curves.csv", COLUMNS), Console(stderr=True)
    started = last = time.perf_counter()
    recent: list[StepResult] = []
    logged = state.step, state.seconds
    try:
        while state.step < state.config.steps and (minutes is None or last - started < 60 * minutes):
            if 0 < state.config.freeze_codebooks_at == state.step:
                refit_codebooks(state, plain or draw)
            recent.append(one_step(state, draw(state.step)))
            now = time.perf_counter()
            state.seconds += now - last
            last = now
            if state.step % state.config.log_every == 0:
                row = _row(state, recent)
                sound = (state.step - logged[0]) * state.config.batch * state.config.seconds
                row["x_rt"], logged = sound / max(state.seconds - logged[1], 1e-9), (state.step, state.seconds)
                curves.add(rounded(row))
                if show:
                    shown = "  ".join(f"{name} {row[name]:.3f}" for name in SHOWN if name in row)
                    console.print(f"{state.step}/{state.config.steps}  {shown}", highlight=False)
                recent.clear()
            if state.step % state.config.save_every == 0:
                state.save(folder / "state.pt")
    finally:
        state.save(folder / "state.pt")


def _row(state: ResidualState, recent: list[StepResult]) -> dict[str, float | str]:
    """Return the means over the recent steps, and the codebook usage over all their tokens."""
    row: dict[str, float | str] = {
        name: float(np.mean([result.metrics[name] for result in recent if name in result.metrics]))
        for name in recent[-1].metrics
    }
    tokens = np.concatenate([result.tokens.transpose(1, 2).flatten(0, 1).cpu().numpy() for result in recent])
    books = codebook_usage(tokens, state.network.config.quantiser.size)
    return row | {
        "step": float(state.step),
        "seconds": round(state.seconds, 1),
        "rate": state.rate(),
        "used": min(book.use for book in books),
        "perplexity": min(book.perplexity for book in books),
        "dead": float(max(book.dead for book in books)),
        "bits": sum(book.bits for book in books),
    }


def open_state(folder: Path, model: str, options: list[str], weights: Path | None) -> ResidualState:
    """Return the state in the folder with changed options, or a new one.

    A new state starts from the checkpoint `weights`, or without one from random weights.
    """
    path = folder / "state.pt"
    if path.exists():
        state = ResidualState.load(path)
        state.set(state.config.with_options(options))
        return state
    config = ResidualConfig().with_options(options)
    if weights:
        network = read(weights)
        network.quantiser.initialised = True
    else:
        network = ResidualNetwork(MODELS[model]).randomise(config.seed)
    return ResidualState(network, config)


def export(state: ResidualState, path: Path) -> None:
    """Write the weights in float16 as a checkpoint that `models.load` reads.

    The codec gets the file's name.
    """
    state.network.rename(path.stem)
    save(state.network, path, torch.float16)


SHOWN = ("mel", "wave", "adversarial", "feature", "commitment", "gradient", "used", "perplexity", "x_rt")
COLUMNS = [
    "step", "seconds", "mel", "wave", "adversarial", "feature", "commitment", "gradient", "rate",
    "used", "perplexity", "dead", "bits", "x_rt",
]  # fmt: skip
# used, perplexity, dead: of the worst book, over the steps between two rows; bits: entropy of a
# frame's tokens; x_rt: seconds of sound trained on in a second
