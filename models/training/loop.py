"""Training loop of CoDiCodec networks: the same for every stage, on one device or on several
through torchrun.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from models.codec import CodecError
from models.codicodec.checkpoint import save
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.stft import Stft
from models.training.augment import batch
from models.training.config import TrainConfig
from models.training.curves import Curves, rounded
from models.training.data import Pack
from models.training.metrics import used_levels
from models.training.objectives import OBJECTIVES, encode_pair
from models.training.state import TrainState

Batches = Callable[[int], Tensor]  # steps seen -> audio float32 [B, 2, samples]

SHOWN = ("loss", "mel", "gradient", "code", "used", "x_rt")
COLUMNS = [
    "stage", "step", "seen", "pairs", "seconds", "loss", "mel", "spectrum", "energy", "second", "tie", "huber",
    "gradient", "rate", "code", "used", "x_rt",
]  # fmt: skip
# code: mean |z|; used: part of the levels in use in a batch; x_rt: seconds of sound trained on in a second


class DivergedError(CodecError):
    """The loss is not finite; the message gives the file where the batch was saved."""


def batches(pack: Pack, config: TrainConfig, samples: int, rank: int = 0) -> Batches:
    """Return augmented batches.

    A batch depends on the seed, the number of steps seen and the process alone.
    """

    def draw(seen: int) -> Tensor:
        rng = np.random.default_rng([config.seed, seen, rank])
        return batch(pack, rng, config.batch, samples)

    return draw


def one_step(state: TrainState, stft: Stft, audio: Tensor, folder: Path, rank: int = 0) -> dict[str, float]:
    """Train on one batch [B, 2, samples] and return its metrics.

    If the loss is not finite, weights stay unchanged, the batch is saved to `folder`, and
    DivergedError is raised.
    """
    network, config = state.network, state.config
    device = network.device
    generator = torch.Generator(device).manual_seed((config.seed * 1_000_003 + state.seen) * 64 + rank)
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        pair = encode_pair(network, stft, audio.to(device), config, generator)
        parts = OBJECTIVES[config.stage](network, stft, pair, config, generator, state.step / config.steps)
    parts["loss"] = parts["loss"] + config.edge_weight * pair.edge
    if not torch.isfinite(parts["loss"].detach()):
        where = folder / "diverged.pt"
        folder.mkdir(parents=True, exist_ok=True)
        torch.save({"audio": audio, "step": state.step, "seen": state.seen}, where)
        raise DivergedError(f'loss is {float(parts["loss"].detach())} at step {state.step}; its batch is in "{where}".')
    state.optimiser.zero_grad(set_to_none=True)
    parts["loss"].backward()
    average_gradients(network)
    weights = [w for w in network.parameters() if w.grad is not None]
    norm = torch.nn.utils.clip_grad_norm_(weights, config.clip)
    if torch.isfinite(norm):
        for group in state.optimiser.param_groups:
            group["lr"] = state.rate()
        state.optimiser.step()
        state.update_average()
    state.step += 1
    state.seen += 1
    state.pairs += audio.shape[0] * (torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1)
    codes = pair.codes.detach()
    return {
        **{name: float(value.detach()) for name, value in parts.items()},
        "gradient": float(norm),
        "code": float(codes.abs().mean()),
        "used": used_levels(codes, network.config.levels),
    }


def average_gradients(network: CoDiCodecNetwork) -> None:
    """Replace gradients by their mean over all processes, in one message.

    Without processes nothing changes.
    """
    if not torch.distributed.is_initialized():
        return
    weights = [w for w in network.parameters() if w.requires_grad]
    flat = torch.cat([(torch.zeros_like(w) if w.grad is None else w.grad).flatten() for w in weights])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    for weight, part in zip(weights, flat.split([w.numel() for w in weights]), strict=True):
        weight.grad = part.view_as(weight)


def run(state: TrainState, draw: Batches, folder: Path, minutes: float | None = None, show: bool = True) -> None:
    """Train to the end of the stage or of the time.

    State.pt and curves.csv are written to `folder` in any case.

    OSError, before any training, if the folder cannot be made.
    """
    rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
    curves, console = Curves(folder / "curves.csv", COLUMNS), Console(stderr=True)
    stft = Stft(state.network.config).to(state.network.device)
    folder.mkdir(parents=True, exist_ok=True)
    started = last = time.perf_counter()
    recent: list[dict[str, float]] = []
    pairs, seconds = state.pairs, state.seconds  # of the last row
    sizes = state.network.config
    try:
        while state.step < state.config.steps and (minutes is None or last - started < 60 * minutes):
            recent.append(one_step(state, stft, draw(state.seen), folder, rank))
            now = time.perf_counter()
            state.seconds += now - last
            last = now
            if rank == 0 and state.step % state.config.log_every == 0:
                row = _row(state, recent)
                sound = 2 * (state.pairs - pairs) * sizes.hop / sizes.sample_rate
                row["x_rt"] = sound / max(state.seconds - seconds, 1e-9)
                pairs, seconds = state.pairs, state.seconds
                curves.add(rounded(row))
                if show:
                    shown = "  ".join(f"{name} {row[name]:.3f}" for name in SHOWN if name in row)
                    console.print(f"{state.config.stage} {state.step}/{state.config.steps}  {shown}", highlight=False)
                recent.clear()
            if rank == 0 and state.step % state.config.save_every == 0:
                state.save(folder / "state.pt")
    finally:
        if rank == 0:
            state.save(folder / "state.pt")


def _row(state: TrainState, recent: list[dict[str, float]]) -> dict[str, float | str]:
    """Return the means of the recent metrics, and the counts."""
    row: dict[str, float | str] = {name: float(np.mean([step[name] for step in recent])) for name in recent[0]}
    row |= {"stage": state.config.stage, "step": state.step, "seen": state.seen, "pairs": state.pairs}
    return row | {"seconds": round(state.seconds, 1), "rate": state.rate()}


def export(state: TrainState, path: Path) -> None:
    """Write the averaged weights in float16 as a checkpoint that `models.load` reads.

    The codec gets the file's name. Before the first step on a start, the start alone is written.
    """
    network = state.average
    if network.start is not None and not state.pairs:
        held = network.start
        network = CoDiCodecNetwork(replace(network.config, layers=(0, 0, 0)))
        network.start = held
    network.config = replace(network.config, name=path.stem)
    save(network, path, torch.float16)
