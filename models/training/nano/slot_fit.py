"""`verdigris train --model nano-slots PACK --state DIR`: train the network of levels of nano's decoder.

A start is coded once, into rows of numbers, so that a step of training takes a millisecond. DIR gets
these rows, state.pt, from which a run goes on exactly, and curves.csv with the error of levels.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.codec import CodecError
from models.codicodec.checkpoint import NANO, read, save
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.start.gain_curves import SLOT
from models.codicodec.start.slot_network import SCALE, SHAPES, SIDE, SlotNetwork
from models.training.config import with_options
from models.training.curves import Curves, rounded
from models.training.data import RATE, Pack
from models.training.nano.slot_rows import SlotRows, slot_rows
from models.training.nano.start_fit import Say
from models.training.state import not_a_state, read_state, replace_file

COLUMNS = ["step", "seconds", "x_rt", "loss", "held_error", "held_rms", "held_before"]
LOUD, FAINT_WEIGHT = -20.0, 0.1  # dB below the loudest slot seen down to which a slot counts whole; weight at -60 dB
LARGEST = 40.0  # dB of a correction that is wanted, at most
TURN = 6.0  # dB of error from which on the loss grows linearly


@dataclass(frozen=True)
class SlotConfig:
    """Options of one training of the network of levels."""

    seconds: int = 1800  # of sound that is coded
    held_seconds: int = 240  # of the validation split
    steps: int = 6000
    batch: int = 1024  # slots
    rate: float = 2e-3
    fall: float = 0.6  # last part of the steps, in which the rate falls to 5 % of itself
    strength: float = 0.7  # part of the expected corrections that a decoder is given: all of it costs tones and mel
    log_every: int = 500
    save_every: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.seconds, self.held_seconds) < 4 or self.steps < 1 or self.batch < 1:
            raise CodecError(
                f"seconds {self.seconds}, held_seconds {self.held_seconds}, steps {self.steps}, batch {self.batch}: "
                "give at least 4, 4, 1 and 1."
            )

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step."""
        left = (self.steps - step) / max(self.steps * self.fall, 1)
        return self.rate * (0.05 + 0.95 * min(1.0, max(left, 0.0)))


class SlotState:
    """Layers, optimiser and counts. A step's batch depends on its number alone."""

    def __init__(self, config: SlotConfig) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.layers = nn.ModuleList([nn.Linear(*shape) for shape in SHAPES])
        with torch.no_grad():
            for parameter in self.layers[-1].parameters():  # begins as if there were no network
                parameter.zero_()
        self.optimiser = torch.optim.Adam(self.layers.parameters(), lr=config.rate)
        self.step, self.seconds = 0, 0.0

    def expected(self, inputs: Tensor) -> Tensor:
        """Return the expected corrections [n] in dB."""
        for layer in self.layers[:-1]:
            inputs = torch.relu(layer(inputs))
        return SCALE * self.layers[-1](inputs)[:, 0]

    def network(self) -> SlotNetwork:
        """Return the network as a decoder has it, in numbers that float16 holds."""
        linear = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        weights, biases = [x.weight.detach() for x in linear], [x.bias.detach() for x in linear]
        for tensors in (weights, biases):
            tensors[-1] = self.config.strength * tensors[-1]
        return SlotNetwork(
            tuple(np.ascontiguousarray(weight.T.half().float().numpy()) for weight in weights),
            tuple(bias.half().float().numpy() for bias in biases),
        )

    def save(self, path: Path) -> None:
        """Write the state. A file of the name `path` is always complete."""
        held = {
            "config": asdict(self.config),
            "layers": self.layers.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "counts": {"step": self.step, "seconds": self.seconds},
        }
        replace_file(path, held)

    @classmethod
    def load(cls, path: Path, options: list[str]) -> SlotState:
        """Return the state that `save` wrote, with changed options. CodecError if it is not one."""
        held = read_state(path)
        try:
            state = cls(with_options(SlotConfig(**held["config"]), options))
            state.layers.load_state_dict(held["layers"])
            state.optimiser.load_state_dict(held["optimiser"])
            state.step, state.seconds = held["counts"]["step"], held["counts"]["seconds"]
        except (CodecError, RuntimeError, KeyError, TypeError) as error:
            raise not_a_state(path, error) from error
        return state


def run(
    packs: list[Path], folder: Path, options: list[str], minutes: float | None, given: Path | None, export: Path | None
) -> None:
    """Train on packs; `export` is the checkpoint `given` (nano by default) with the network added."""
    torch.set_num_threads(1)
    path = folder / "state.pt"
    if not packs and not path.exists():
        raise CodecError(f'"{folder}" holds no training. Pass a pack: verdigris train --model nano-slots PACK.')
    state = SlotState.load(path, options) if path.exists() else SlotState(with_options(SlotConfig(), options))
    codec = read(given or NANO)
    if codec.start is None:
        raise CodecError("this checkpoint has no start, whose levels could be corrected. Pass one of nano.")
    if packs:
        config = state.config
        held, rows = (
            slot_rows(Pack(packs, split), codec.start, seconds, config.seed, folder / f"rows-{split}", print)
            for split, seconds in (("valid", config.held_seconds), ("train", config.seconds))
        )
        train(state, rows, held, folder, minutes, print)
    if export:
        _export(codec, state.network(), export)


def train(state: SlotState, rows: SlotRows, held: SlotRows, folder: Path, minutes: float | None, say: Say) -> None:
    """Train to the last step or until the time is up, and save the state in any case."""
    config, curves = state.config, Curves(folder / "curves.csv", COLUMNS)
    inputs, missing, weights = _tensors(rows)
    began = last = time.perf_counter()
    recent: list[float] = []
    try:
        while state.step < config.steps and (minutes is None or last - began < 60 * minutes):
            rng = np.random.default_rng([config.seed, state.step])
            chosen = torch.from_numpy(rng.integers(0, len(inputs), config.batch))
            recent.append(_one_step(state, inputs[chosen].float(), missing[chosen], weights[chosen]))
            now = time.perf_counter()
            state.seconds, last = state.seconds + now - last, now
            if state.step % config.log_every == 0:
                row = {"step": float(state.step), "seconds": state.seconds, "loss": float(np.mean(recent))}
                row["x_rt"] = state.step * config.batch * SLOT / RATE / state.seconds
                row |= held_errors(state, held)
                curves.add(rounded(dict(row)))
                say("  ".join(f"{name} {value:.4g}" for name, value in row.items()))
                recent.clear()
            if state.step % config.save_every == 0:
                state.save(folder / "state.pt")
    finally:
        state.save(folder / "state.pt")


def _one_step(state: SlotState, inputs: Tensor, missing: Tensor, weights: Tensor) -> float:
    error = (state.expected(inputs) - missing) / TURN
    loss = (weights * nn.functional.huber_loss(error, torch.zeros_like(error), reduction="none")).mean()
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    for group in state.optimiser.param_groups:
        group["lr"] = state.config.rate_at(state.step)
    state.optimiser.step()
    state.step += 1
    return loss.item()


@torch.no_grad()
def held_errors(state: SlotState, held: SlotRows) -> dict[str, float]:
    """Return errors of levels in dB on slots held out: means with and without the network, and the RMS with it."""
    inputs, missing, weights = _tensors(held)
    error = (state.expected(inputs.float()).clamp(-LARGEST, LARGEST) - missing).double()
    total = weights.double().sum()
    return {
        "held_error": float((weights * error.abs()).sum() / total),
        "held_rms": float(((weights * error.square()).sum() / total).sqrt()),
        "held_before": float((weights * missing.abs()).sum() / total),
    }


def _tensors(rows: SlotRows) -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs, corrections that are wanted, and weights of slots, which fall with their level."""
    inputs, missing = torch.from_numpy(rows.inputs), torch.from_numpy(rows.missing)
    own = inputs[:, SIDE].float() * SCALE  # below the loudest slot that is seen
    heard = torch.maximum(own, own + missing)
    weights = (1 + (heard - LOUD) / (60 + LOUD) * (1 - FAINT_WEIGHT)).clamp(FAINT_WEIGHT, 1)
    return inputs, missing.clamp(-LARGEST, LARGEST), weights


def _export(codec: CoDiCodecNetwork, network: SlotNetwork, path: Path) -> None:
    """Write the checkpoint with the network, in float16."""
    if codec.start is None:
        raise ValueError("the codec has no start")
    codec.start = replace(codec.start, slots=network)
    codec.config = replace(codec.config, start=codec.start.digest, name=path.stem)
    save(codec, path, torch.float16)
