"""`verdigris train`: one loop for every stage of the recipe, on a CPU, a GPU, or several through torchrun.

verdigris train --fetch FOLDER               get the audio the bundled networks were trained on
verdigris train --pack FOLDER PACK           decode a folder of audio once
verdigris train PACK --state DIR --minutes 9 train, or go on where DIR/state.pt stopped
verdigris train PACK --state DIR --set stage=decoder --set steps=6000
verdigris train --state DIR --export nano.safetensors
verdigris train --model swift PACK --state DIR --set steps=4000
"""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, Namespace, RawTextHelpFormatter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from models.checkpoint import read, save
from models.codec import CodecError
from models.network import CoDiCodecNetwork
from models.spectral import Spectral
from models.training.augment import batch
from models.training.config import TrainConfig, nano
from models.training.corpus.fetch import fetch
from models.training.corpus.parts import divide
from models.training.data import Pack, build
from models.training.objectives import OBJECTIVES, encode_pair, samples_needed
from models.training.start import fit_prior, initialise
from models.training.state import Curves, TrainState, use_of_levels

FITTED = 120  # batches of 32 pairs, to which a prior is fitted

Batches = Callable[[int], Tensor]  # steps seen -> audio float32 [B, 2, samples]


class DivergedError(CodecError):
    """A loss that is no number; the message says where its batch was saved."""


def batches(pack: Pack, config: TrainConfig, samples: int, rank: int = 0) -> Batches:
    """A step's batch, drawn from the numbers of seed, step and process alone."""

    def draw(seen: int) -> Tensor:
        rng = np.random.default_rng([config.seed, seen, rank])
        return batch(pack, rng, config.batch, samples)

    return draw


def one_step(state: TrainState, spectral: Spectral, audio: Tensor, folder: Path, rank: int = 0) -> dict[str, float]:
    """Train on one batch [B, 2, samples]; what it showed. DivergedError, weights untouched, if the loss is NaN."""
    network, config = state.network, state.config
    device = network.device
    generator = torch.Generator(device).manual_seed((config.seed * 1_000_003 + state.seen) * 64 + rank)
    with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bfloat16"):
        pair = encode_pair(network, spectral, audio.to(device), config, generator)
        parts = OBJECTIVES[config.stage](network, spectral, pair, config, generator, state.step / config.steps)
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
    shown = {name: float(value.detach()) for name, value in parts.items()}
    return {
        **shown,
        "gradient": float(norm),
        "code": float(codes.abs().mean()),
        "used": use_of_levels(codes, network.config.levels),
    }


def average_gradients(network: CoDiCodecNetwork) -> None:
    """Data-parallel training: the mean of all processes' gradients, in one message."""
    if not torch.distributed.is_initialized():
        return
    weights = [w for w in network.parameters() if w.requires_grad]
    flat = torch.cat([(torch.zeros_like(w) if w.grad is None else w.grad).flatten() for w in weights])
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    for weight, part in zip(weights, flat.split([w.numel() for w in weights]), strict=True):
        weight.grad = part.view_as(weight)


def run(state: TrainState, draw: Batches, folder: Path, minutes: float | None = None, show: bool = True) -> None:
    """Train to the end of the stage or of the time; state.pt and curves.csv are in `folder` however it ends."""
    rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
    curves, console = Curves(folder / "curves.csv"), Console(stderr=True)
    spectral = Spectral(state.network.config).to(state.network.device)
    folder.mkdir(parents=True, exist_ok=True)  # not to find out at the end that it cannot be
    begun = last = time.perf_counter()
    kept: list[dict[str, float]] = []
    try:
        while state.step < state.config.steps and (minutes is None or last - begun < 60 * minutes):
            kept.append(one_step(state, spectral, draw(state.seen), folder, rank))
            now = time.perf_counter()
            state.seconds += now - last
            last = now
            if rank == 0 and state.step % state.config.log_every == 0:
                row: dict[str, float | str] = {n: float(np.mean([k[n] for k in kept])) for n in kept[0]}
                row |= {"stage": state.config.stage, "step": state.step, "seen": state.seen, "pairs": state.pairs}
                row |= {"seconds": round(state.seconds, 1), "rate": state.rate()}
                curves.add({n: f"{v:.5g}" if isinstance(v, float) else v for n, v in row.items()})
                if show:
                    shown = "  ".join(
                        f"{n} {row[n]:.3f}" for n in ("loss", "mel", "gradient", "code", "used") if n in row
                    )
                    console.print(f"{state.config.stage} {state.step}/{state.config.steps}  {shown}", highlight=False)
                kept.clear()
            if rank == 0 and state.step % state.config.save_every == 0:
                state.save(folder / "state.pt")
    finally:
        if rank == 0:
            state.save(folder / "state.pt")


def export(state: TrainState, path: Path) -> None:
    """The averaged weights, in float16, as a checkpoint that `models.load` reads and tapes know by the file's name."""
    state.average.config = replace(state.average.config, name=path.stem)
    save(state.average, path, torch.float16)


def main(arguments: Sequence[str] | None = None, parser_class: type[ArgumentParser] = ArgumentParser) -> None:
    parser = parser_class(prog="verdigris train", description=__doc__, formatter_class=RawTextHelpFormatter)
    parser.add_argument("packs", nargs="*", type=Path, metavar="PACK")
    parser.add_argument(
        "--pack", nargs=2, type=Path, metavar=("FOLDER", "OUT"), help="decode FOLDER into a pack and stop"
    )
    parser.add_argument("--fetch", type=Path, metavar="FOLDER", help="get the audio and stop")
    parser.add_argument("--small", action="store_true", help="with --fetch: only what is light to download")
    parser.add_argument("--variants", type=int, default=0, metavar="N", help="with --fetch: N more of each MIDI file")
    parser.add_argument(
        "--part", nargs=2, type=Path, metavar=("FOLDER", "OUT"), help="what was fetched as parts of 60 MB, and stop"
    )
    parser.add_argument(
        "--model", choices=("nano", "swift"), default="nano", help="which network (default %(default)s)"
    )
    parser.add_argument("--state", type=Path, metavar="DIR", help="where state.pt and curves.csv are kept")
    parser.add_argument("--minutes", type=float, metavar="N", help="stop after so long, with a saved state")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a choice of TrainConfig, or ResidualConfig"
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="start from a checkpoint's weights")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write the averaged weights and stop")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args(arguments)
    if given.fetch:
        fetch(given.fetch, given.small, given.variants, print)
        return
    if given.part:
        parts = divide(given.part[0], given.part[1], 60)
        print(f"{len(parts)} parts in {given.part[1]}")
        return
    if given.pack:
        pieces = build(*given.pack)
        print(f"{len(pieces)} files, {sum(p.length for p in pieces) / 48000 / 3600:.2f} h in {given.pack[1]}")
        return
    if given.state is None:
        parser.error("--state DIR is needed")
    if given.model != "nano":
        _train_residual(given)
        return
    path = given.state / "state.pt"
    if given.export:
        export(TrainState.load(path), given.export)
        return
    rank = _join_processes()
    if given.device != "cpu":
        torch.set_float32_matmul_precision("high")  # the losses' products in TF32
    config = TrainConfig().with_options(given.set)
    if path.exists():
        state = TrainState.load(path)
        config = state.config.with_options(given.set)
        state.change(config)
    else:
        network = read(given.weights) if given.weights else _begin(Pack(given.packs), config)
        state = TrainState(network, config)
    _move(state, given.device)
    pack = Pack(given.packs, device=given.device)
    run(state, batches(pack, config, samples_needed(state.network), rank), given.state, given.minutes)


def _begin(pack: Pack, config: TrainConfig) -> CoDiCodecNetwork:
    """A network of nano's sizes, its prior fitted to the pack."""
    network = initialise(CoDiCodecNetwork(nano()), config.seed)
    draw, spectral = batches(pack, replace(config, batch=32), samples_needed(network)), Spectral(network.config)
    spectra = [torch.cat(spectral.analyse(draw(seen)).split(network.config.columns, -1)) for seen in range(FITTED)]
    fit_prior(network, torch.cat(spectra))
    return network


def _train_residual(given: Namespace) -> None:
    from models.training.residual import train

    state = train.open_state(given.state, given.model, given.set, given.weights, given.packs)
    if given.export:
        train.export(state, given.export)
        return
    pack = Pack(given.packs)
    draw, plain = train.batches(pack, state.config, state.network.config.stride), train.as_they_are(pack)
    train.run(state, draw, given.state, given.minutes, plain=plain)


def _join_processes() -> int:
    """This process's rank; torchrun sets the variables."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return torch.distributed.get_rank()


def _move(state: TrainState, device: str) -> None:
    state.network.to(device)
    state.average.to(device)
    state.optimiser.load_state_dict(state.optimiser.state_dict())  # its averages go where the weights are


if __name__ == "__main__":
    main()
