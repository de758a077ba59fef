"""`verdigris train --model language TOKENS --state DIR`: train the token language model of swift.

TOKENS are folders of `verdigris tokens FOLDER OUT --codec swift --format safetensors`. DIR gets
state.pt, from which a run goes on exactly, and curves.csv with bits per token: of training, and of
the pieces that are held out, beside those of the unigram.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.codec import CodecError
from models.language.frame_model import SCALE
from models.language.language_weights import LanguageWeights, save_language
from models.registry import SWIFT
from models.swift.frame_layout import COARSE
from models.swift.gain_control import VALUES
from models.swift.weights import SwiftWeights, load
from models.training.curves import Curves, rounded
from models.training.language.config import LanguageConfig
from models.training.language.network import LanguageNetwork
from models.training.language.token_streams import Stream, read_tokens, stream_of
from models.training.language.tonal_fit import fit_tonal
from models.training.state import not_a_state, read_state, replace_file

COLUMNS = ["step", "seconds", "hours", "rate", "bits", "held_attack", "held_energy", "unigram_attack", "unigram_energy"]
SHORTEST = 8  # frames of a file


class LanguageState:
    """Network, averaged weights, optimiser and counts. A step's batch depends on its number alone."""

    def __init__(self, config: LanguageConfig, books: SwiftWeights) -> None:
        self.config, self.books = config, books
        self.network = LanguageNetwork(config.sizes, books, config.seed)
        self.average = {name: torch.from_numpy(tensor) for name, tensor in self.network.tensors().items()}
        trained = [weight for weight in self.network.parameters() if weight.requires_grad]
        self.optimiser = torch.optim.AdamW(trained, lr=config.rate, betas=(0.9, 0.98), weight_decay=0.01)
        self.step, self.seconds = 0, 0.0

    def begin(self, streams: list[Stream]) -> None:
        """Start from counts: how often each attack is, and how far energies are from their prediction."""
        away = [
            stream.energies[1:] - self.books.energies.predict(stream.energies[:-1].astype(np.int64))
            for stream in streams
        ]
        spread = np.square(np.concatenate(away) / SCALE).mean(0)
        attacks = np.bincount(np.concatenate([stream.tokens[:, 0] for stream in streams]), minlength=VALUES) + 0.5
        started = {
            "precision_bias": np.log(1 / (spread + 0.01)).astype(np.float32),
            "attack_bias": np.log(attacks / attacks.sum()).astype(np.float32),
        }
        self.network.load_tensors(started)
        self.average |= {name: torch.from_numpy(tensor.copy()) for name, tensor in started.items()}

    def update_average(self) -> None:
        """Move the averaged weights towards the network's."""
        kept = min(self.config.average, (1 + self.step) / (10 + self.step))
        for name, tensor in self.network.tensors().items():
            self.average[name].lerp_(torch.from_numpy(tensor), 1 - kept)

    def save(self, path: Path) -> None:
        """Write the state. A file of the name `path` is always complete."""
        held = {
            "config": asdict(self.config),
            "network": self.network.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "counts": {"step": self.step, "seconds": self.seconds},
        }
        replace_file(path, held)

    @classmethod
    def load(cls, path: Path, books: SwiftWeights, options: list[str]) -> LanguageState:
        """Return the state that `save` wrote, with changed options. CodecError if it is not one."""
        held = read_state(path)
        try:
            state = cls(LanguageConfig(**held["config"]).with_options(options), books)
            state.network.load_state_dict(held["network"])
            state.average = held["average"]
            state.optimiser.load_state_dict(held["optimiser"])
            state.step, state.seconds = held["counts"]["step"], held["counts"]["seconds"]
        except (CodecError, RuntimeError, KeyError, TypeError) as error:
            raise not_a_state(path, error) from error
        return state


class StreamBatches:
    """Batches of random stretches of streams."""

    def __init__(self, streams: list[Stream], books: SwiftWeights, frames: int) -> None:
        self._streams, self._books, self._frames = streams, books.energies, frames
        weights = np.array([len(stream.tokens) ** 0.75 for stream in streams])
        self._bounds = np.cumsum(weights / weights.sum())

    def draw(self, rng: np.random.Generator, items: int) -> tuple[Tensor, ...]:
        """Return the arguments of `LanguageNetwork.bits` and a mask [items, frames] of frames that count."""
        chosen = np.minimum(np.searchsorted(self._bounds, rng.random(items)), len(self._streams) - 1)
        return self.stack([self._stretch(self._streams[int(number)], rng.random()) for number in chosen])

    def _stretch(self, stream: Stream, place: float) -> tuple[np.ndarray, ...]:
        first = int(place * max(1, len(stream.tokens) - 1 - self._frames))
        return stretch(stream, first, self._frames)

    def stack(self, found: list[tuple[np.ndarray, ...]]) -> tuple[Tensor, ...]:
        """Return stretches of one length as tensors."""
        inputs, energies, tokens, counts = (np.stack(part) for part in zip(*found, strict=True))
        before = self._books.predict(energies.astype(np.int64))
        return (
            torch.from_numpy(inputs),
            torch.from_numpy((energies / SCALE).astype(np.float32)),
            torch.from_numpy(tokens.astype(np.int64)),
            torch.from_numpy((before / SCALE).astype(np.float32)),
            torch.from_numpy(counts),
        )


def stretch(stream: Stream, first: int, frames: int) -> tuple[np.ndarray, ...]:
    """Return inputs, energies, the next frame's tokens and a mask of `frames` frames, padded at the end."""
    last = min(first + frames, len(stream.tokens) - 1)
    short = frames - (last - first)
    parts = (
        stream.inputs[first:last],
        stream.energies[first + 1 : last + 1],
        stream.tokens[first + 1 : last + 1],
        ~stream.repeated[first + 1 : last + 1],
    )
    return tuple(np.pad(part, ((0, short),) + ((0, 0),) * (part.ndim - 1)) for part in parts)


def run(folders: list[Path], directory: Path, options: list[str], minutes: float | None, export: Path | None) -> None:
    """Train, or only export the averaged weights in float16 if there are no folders."""
    books, path = load(SWIFT), directory / "state.pt"
    torch.set_num_threads(1)
    if path.exists():
        state = LanguageState.load(path, books, options)
    elif folders:
        state = LanguageState(LanguageConfig().with_options(options), books)
    else:
        raise CodecError(f'"{directory}" holds no training. Pass tokens: verdigris train --model language TOKENS.')
    if folders:
        _train(state, folders, directory, minutes)
    if export:
        tensors = {name: tensor.numpy() for name, tensor in state.average.items()}
        save_language(LanguageWeights(state.config.sizes, tensors, books.digest), export)


def _train(state: LanguageState, folders: list[Path], directory: Path, minutes: float | None) -> None:
    config, books = state.config, state.books
    split = {held: _streams(folders, held, books) for held in (False, True)}
    if not split[False]:
        raise CodecError(f"no piece of {', '.join(map(str, folders))} is for training. Pass more tokens.")
    hours = sum(len(stream.tokens) for stream in split[False]) / 37.5 / 3600
    print(f"{hours:.2f} h of {len(split[False])} files, {len(split[True])} held out", flush=True)
    if state.step == 0:
        state.begin(split[False])
        tonal = fit_tonal(folders, books, config.tonal_frames, config.seed)
        state.network.get_parameter("tonal").data = state.average["tonal"] = torch.from_numpy(tonal)
    batches, curves = StreamBatches(split[False], books, config.frames), Curves(directory / "curves.csv", COLUMNS)
    started = last = time.perf_counter()
    recent: list[float] = []
    try:
        while state.step < config.steps and (minutes is None or last - started < 60 * minutes):
            recent.append(one_step(state, batches))
            now = time.perf_counter()
            state.seconds, last = state.seconds + now - last, now
            if state.step % config.log_every == 0:
                row = {
                    "step": float(state.step),
                    "seconds": state.seconds,
                    "hours": hours,
                    "rate": config.rate_at(state.step),
                }
                row |= {"bits": float(np.mean(recent))} | held_out_bits(state, split[True])
                curves.add(rounded(dict(row)))
                print("  ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)
                recent.clear()
            if state.step % config.save_every == 0:
                state.save(directory / "state.pt")
    finally:
        state.save(directory / "state.pt")


def _streams(folders: list[Path], held_out: bool, books: SwiftWeights) -> list[Stream]:
    return [
        stream_of(name, frames, books) for name, frames in read_tokens(folders, held_out) if len(frames) >= SHORTEST
    ]


def one_step(state: LanguageState, batches: StreamBatches) -> float:
    """Train on one batch; return the mean bits of a token."""
    rng = np.random.default_rng([state.config.seed, state.step])
    *given, counts = batches.draw(rng, state.config.batch)
    attack, energy = state.network.bits(*given)
    bits = torch.cat([attack[..., None], energy], -1)[counts].mean()
    state.optimiser.zero_grad(set_to_none=True)
    bits.backward()
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    for group in state.optimiser.param_groups:
        group["lr"] = state.config.rate_at(state.step)
    state.optimiser.step()
    state.step += 1
    state.update_average()
    return bits.item()


@torch.no_grad()
def held_out_bits(state: LanguageState, streams: list[Stream], most: int = 16) -> dict[str, float]:
    """Return mean bits a token of the averaged weights and of the unigram, on pieces held out."""
    frames = state.config.frames
    longest = sorted(streams, key=lambda stream: -len(stream.tokens))[:most]
    found = [stretch(stream, len(stream.tokens) // 3, frames) for stream in longest if len(stream.tokens) > 2 * frames]
    if not found:
        return {}
    *given, counts = StreamBatches(longest, state.books, frames).stack(found)
    trained = state.network.tensors()
    state.network.load_tensors({name: tensor.numpy() for name, tensor in state.average.items()})
    attack, energy = state.network.bits(*given)
    state.network.load_tensors(trained)
    tokens = given[2][counts].numpy()
    counted = state.books.frequencies[: 1 + COARSE] + 1.0
    unigram = -np.log2(counted / counted.sum(1, keepdims=True))
    cost = np.array([unigram[place, tokens[:, place]].mean() for place in range(1, 1 + COARSE)])
    of_attack = np.bincount(np.concatenate([stream.tokens[:, 0] for stream in streams]), minlength=1024) + 0.5
    return {
        "held_attack": float(attack[counts].mean()),
        "held_energy": float(energy[counts].mean()),
        "unigram_attack": float(-np.log2(of_attack / of_attack.sum())[tokens[:, 0]].mean()),
        "unigram_energy": float(cost.mean()),
    }
