"""`verdigris train --model swift PACK --state DIR`: fit the books of swift, in minutes, from
nothing.

What is written to DIR: swift.safetensors, and fit.json with the choices. The same packs, choices
and versions of numpy and torch give the same file.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.codec import CodecError
from models.swift.energies import EnergyBooks
from models.swift.frame_layout import COARSE, ENTRIES, FINE
from models.swift.weights import CONTEXTS, Tensors, save
from models.training.data import Pack
from models.training.swift import fit
from models.training.swift.closed_loop import code_energies, improve
from models.training.swift.config import SwiftConfig
from models.training.swift.stretches import stretches

NAME = "swift.safetensors"
_FRAMES_A_SECOND = 37.5


def train(packs: list[Path], folder: Path, config: SwiftConfig, say: fit.Say = print) -> Path:
    """Fit the books to the packs and return the file of weights in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.process_time()

    def timed(line: str) -> None:
        say(f"{time.process_time() - begun:6.0f} s of CPU  {line}")

    data = fit.analyse(stretches(Pack(packs), config.seconds, config.seed), config.seconds, timed)
    mean, energy_entries, error = fit.fit_energies(data, config.rows, config.iterations, config.seed, timed)
    books, worth = fit.fit_shapes(data, error, config.rows, config.iterations, config.seed, timed)
    priorities = fit.priorities_of(worth)
    energy_books = EnergyBooks(mean.long().numpy(), energy_entries.long().numpy())
    frames = min(len(data.energies), round(config.round_seconds * _FRAMES_A_SECOND))
    coded = code_energies(data, frames, energy_books, priorities)
    frequencies = np.zeros((CONTEXTS, ENTRIES), np.int64)
    for number in range(config.rounds + 1):
        frequencies[:] = 0
        for stage in range(COARSE + FINE):
            frequencies[1 + stage] += np.bincount(coded.tokens[:, stage], minlength=ENTRIES)
        improved = improve(data, coded, books, frequencies, 1 + COARSE + FINE, timed)
        if number < config.rounds:  # the last round only counts
            books = improved
    save(tensors_of(mean, energy_entries, priorities, books, frequencies), folder / NAME)
    (folder / "fit.json").write_text(json.dumps({**asdict(config), "cpu_seconds": round(time.process_time() - begun)}))
    pace = config.seconds / max(time.process_time() - begun, 1e-9)
    timed(f'saved "{folder / NAME}", fitted to {config.seconds} s of sound at {pace:.1f} x RT of one core')
    return folder / NAME


def tensors_of(
    mean: Tensor, energy_entries: Tensor, priorities: np.ndarray, books: list[Tensor], frequencies: np.ndarray
) -> Tensors:  # fmt: skip
    """Return the tensors of a file of weights."""
    tensors: Tensors = {
        "energies.mean": mean.numpy().astype(np.int16),
        "energies.entries": energy_entries.numpy().astype(np.int16),
        "priorities": priorities.astype(np.int32),
        "frequencies": np.minimum(frequencies, 65535).astype(np.uint16),
    }
    return tensors | {f"shapes.{block}": book.numpy().astype(np.float16) for block, book in enumerate(books)}


def run(packs: list[Path], folder: Path, options: list[str], export: Path | None) -> None:
    """Fit, unless only `export` is asked for without packs; copy the result there."""
    torch.set_num_threads(1)  # the same sums on every machine
    if packs:
        train(packs, folder, SwiftConfig().with_options(options))
    elif not (folder / NAME).is_file():
        raise CodecError(
            f'"{folder}" holds no fit of swift. Pass a pack: verdigris train --model swift PACK --state DIR'
        )
    if export:
        shutil.copyfile(folder / NAME, export)
