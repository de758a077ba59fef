"""`verdigris train`: train a network on a CPU, on a GPU, or on several through torchrun.

verdigris train --fetch FOLDER               download the audio that the bundled networks were trained on
verdigris train --pack FOLDER PACK           decode a folder of audio once
verdigris train PACK --state DIR --minutes 9 train, or continue where DIR/state.pt stopped
verdigris train PACK --state DIR --set stage=decoder --set steps=6000
verdigris train --state DIR --export nano.safetensors
verdigris train --model nano-slots PACK --state DIR --weights START --export nano.safetensors
verdigris train --model swift PACK --state DIR --export FILE
verdigris train --model soundstream PACK --state DIR --set steps=4000
verdigris train --model language TOKENS --state DIR --minutes 30 --export FILE
"""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, Namespace, RawTextHelpFormatter
from collections.abc import Sequence
from pathlib import Path

import torch

from models.codicodec.checkpoint import read
from models.codicodec.network import CoDiCodecNetwork
from models.training.config import TrainConfig, nano
from models.training.corpus.fetch import fetch
from models.training.corpus.parts import divide
from models.training.data import Pack, build
from models.training.initial_weights import initialise
from models.training.loop import batches, export, run
from models.training.nano.start_fit import analyse, fit
from models.training.objectives import samples_needed
from models.training.state import TrainState
from models.training.swift.stretches import stretches

PART_MB = 60


def main(arguments: Sequence[str] | None = None, parser_class: type[ArgumentParser] = ArgumentParser) -> None:
    """Run the command; CodecError, OSError or the parser's exit on errors."""
    parser = _parser(parser_class)
    given = parser.parse_args(arguments)
    if given.fetch:
        fetch(given.fetch, given.small, given.variants, print, given.synthetic)
    elif given.part:
        parts = divide(given.part[0], given.part[1], PART_MB)
        print(f"{len(parts)} parts in {given.part[1]}")
    elif given.pack:
        pieces = build(*given.pack)
        print(f"{len(pieces)} files, {sum(p.length for p in pieces) / 48000 / 3600:.2f} h in {given.pack[1]}")
    elif given.state is None:
        parser.error("--state DIR is needed")
    elif given.model == "swift":
        from models.training.swift.train import run as fit_swift

        fit_swift(given.packs, given.state, given.set, given.export)
    elif given.model == "nano-slots":
        from models.training.nano.slot_fit import run as train_slots

        train_slots(given.packs, given.state, given.set, given.minutes, given.weights, given.export)
    elif given.model == "language":
        from models.training.language.train import run as train_language

        train_language(given.packs, given.state, given.set, given.minutes, given.export)
    elif given.model == "soundstream":
        _train_residual(given)
    elif given.export:
        export(TrainState.load(given.state / "state.pt"), given.export)
    else:
        _train(given)


def _parser(parser_class: type[ArgumentParser]) -> ArgumentParser:
    parser = parser_class(prog="verdigris train", description=__doc__, formatter_class=RawTextHelpFormatter)
    parser.add_argument("packs", nargs="*", type=Path, metavar="PACK", help="packs to train on, made by --pack")
    parser.add_argument(
        "--pack", nargs=2, type=Path, metavar=("FOLDER", "OUT"), help="decode FOLDER into a pack and stop"
    )
    parser.add_argument("--fetch", type=Path, metavar="FOLDER", help="download the audio and stop")
    parser.add_argument("--small", action="store_true", help="with --fetch: only the small packages")
    parser.add_argument(
        "--variants", type=int, default=0, metavar="N", help="with --fetch: render each MIDI file N more times, varied"
    )
    parser.add_argument(
        "--synthetic",
        type=float,
        default=0.0,
        metavar="HOURS",
        help="with --fetch: make so much more, half of it voices",
    )
    parser.add_argument(
        "--part", nargs=2, type=Path, metavar=("FOLDER", "OUT"),
        help=f"split the fetched audio into parts of {PART_MB} MB, and stop",
    )  # fmt: skip
    parser.add_argument(
        "--model", choices=("nano", "nano-slots", "swift", "soundstream", "language"), default="nano",
        help="codec to train, nano's network of levels, or the language model over tokens of swift "
        "(default %(default)s)",
    )  # fmt: skip
    parser.add_argument("--state", type=Path, metavar="DIR", help="folder of state.pt and curves.csv")
    parser.add_argument("--minutes", type=float, metavar="N", help="save the state and stop after N minutes")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of TrainConfig, SwiftConfig, ResidualConfig or LanguageConfig",
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="start from a checkpoint's weights")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write the averaged weights and stop")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="torch device (default %(default)s)"
    )
    return parser


def _train(given: Namespace) -> None:
    """Train a CoDiCodec network, new or from the state in `given.state`."""
    rank = _join_processes()
    if given.device != "cpu":
        torch.set_float32_matmul_precision("high")  # the losses' products in TF32
    path = given.state / "state.pt"
    if path.exists():
        state = TrainState.load(path)
        config = state.config.with_options(given.set)
        state.change(config)
    else:
        config = TrainConfig().with_options(given.set)
        network = read(given.weights) if given.weights else _new_network(Pack(given.packs), config)
        state = TrainState(network, config)
    _move(state, given.device)
    pack = Pack(given.packs, device=given.device)
    run(state, batches(pack, config, samples_needed(state.network), rank), given.state, given.minutes)


def _new_network(pack: Pack, config: TrainConfig) -> CoDiCodecNetwork:
    """Return a network of nano's sizes whose learnt part adds nothing yet, with a start fitted to the pack."""
    torch.set_num_threads(1)  # the same sums on every machine
    began = time.process_time()

    def say(line: str) -> None:
        print(f"{time.process_time() - began:6.0f} s of CPU  {line}", flush=True)

    frames = analyse(stretches(pack, config.start_seconds, config.seed), say)
    start = fit(frames, config.start_rows, config.start_iterations, config.seed, say)
    pace = config.start_seconds / max(time.process_time() - began, 1e-9)
    say(f"fitted to {config.start_seconds} s of sound at {pace:.1f} x RT of one core")
    network = initialise(CoDiCodecNetwork(nano(start.digest)), config.seed)
    network.start = start
    return network


def _train_residual(given: Namespace) -> None:
    """Train or export a network of the residual family."""
    from models.training.residual import train

    state = train.open_state(given.state, given.model, given.set, given.weights)
    if given.export:
        train.export(state, given.export)
        return
    pack = Pack(given.packs)
    draw, plain = train.batches(pack, state.config, state.network.config.stride), train.identity_batches(pack)
    train.run(state, draw, given.state, given.minutes, plain=plain)


def _join_processes() -> int:
    """Join torchrun's group of processes, if there is one, and return this process's rank."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return torch.distributed.get_rank()


def _move(state: TrainState, device: str) -> None:
    """Move network, averaged weights and the optimiser's state to a device."""
    state.network.to(device)
    state.average.to(device)
    state.optimiser.load_state_dict(state.optimiser.state_dict())  # moves its tensors to the weights' device


if __name__ == "__main__":
    main()
