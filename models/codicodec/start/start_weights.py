"""Weights of the start as tensors of a checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.codec import CodecError
from models.codicodec.start.band_levels import AXIS_BITS, BANDS, SIDE_WEIGHT, STEP_BITS, UNIT, LevelBook
from models.codicodec.start.block_books import BlockBooks, book_shapes
from models.codicodec.start.block_order import GEOMETRIES, MOST_STAGES, STAGES
from models.codicodec.start.digit_layout import ENERGIES, ENTRIES, GRID, MODES
from models.codicodec.start.slot_network import SHAPES, SlotNetwork

PREFIX = "start."
SLOT_LAYERS = PREFIX + "slots."  # tensors of the network of levels, which a file may lack
COMPONENTS = 56  # of the KLT
LARGEST = 100.0  # of an entry of a book
UNUSED = -(10**6)  # priority of a stage that does not exist
VALUES = 2 * GRID * BANDS


@dataclass(frozen=True)
class StartWeights:
    """Books and tables, shared by all encoders and decoders."""

    levels: LevelBook
    shapes: BlockBooks
    priorities: dict[int, npt.NDArray[np.int64]]  # by segments: [2, blocks, MOST_STAGES]
    slots: SlotNetwork | None = None  # the learnt part

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors of a checkpoint."""
        held: dict[str, npt.NDArray[np.generic]] = {
            "levels.mean": self.levels.mean,
            "levels.axes": self.levels.axes,
            "levels.steps": self.levels.steps,
            "levels.components": self.levels.components,
        }
        held |= {f"priorities.{n}": table.astype(np.int32) for n, table in self.priorities.items()}
        found = {PREFIX + name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in held.items()}
        if self.slots is not None:
            for number, (weight, bias) in enumerate(zip(self.slots.weights, self.slots.biases, strict=True)):
                found[f"{SLOT_LAYERS}{number}.weight"] = torch.from_numpy(weight).half()
                found[f"{SLOT_LAYERS}{number}.bias"] = torch.from_numpy(bias).half()
        return found | {f"{PREFIX}books.{n}.{kind}": book.half() for (n, kind), book in self.shapes.books.items()}

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of the tensors, hexadecimal. Codes can be decoded only with these weights."""
        found = hashlib.sha256()
        for name, tensor in sorted(self.tensors.items()):
            found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode() + tensor.numpy().tobytes())
        return found.hexdigest()


def wanted_tensors(is_learnt: bool) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Return shape and type of every tensor, with or without a network of levels."""
    wanted: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
        "levels.mean": ((VALUES,), torch.int32),
        "levels.axes": ((VALUES, COMPONENTS), torch.int16),
        "levels.steps": ((ENERGIES,), torch.int32),
        "levels.components": ((ENERGIES,), torch.int16),
    }
    for n in MODES:
        wanted[f"priorities.{n}"] = ((2, len(GEOMETRIES[n].blocks), MOST_STAGES), torch.int32)
    for (n, kind), (stages, width) in book_shapes().items():
        wanted[f"books.{n}.{kind}"] = ((stages, ENTRIES, width), torch.float16)
    if is_learnt:
        for number, shape in enumerate(SHAPES):
            wanted[f"slots.{number}.weight"] = (shape, torch.float16)
            wanted[f"slots.{number}.bias"] = (shape[1:], torch.float16)
    return {PREFIX + name: value for name, value in wanted.items()}


def weights_of(tensors: Mapping[str, Tensor], what: str) -> StartWeights:
    """Return the weights of tensors of a checkpoint.

    CodecError names `what` and the first tensor that is missing, of another shape or type, or out of
    range.
    """
    is_learnt = any(name.startswith(SLOT_LAYERS) for name in tensors)
    for name, (shape, dtype) in wanted_tensors(is_learnt).items():
        if name not in tensors:
            raise CodecError(f'{what} lacks tensor "{name}". Fetch or make it again.')
        found = tensors[name]
        if tuple(found.shape) != shape or found.dtype != dtype:
            raise CodecError(
                f'{what}: tensor "{name}" is {found.dtype} {list(found.shape)}; it must be {dtype} {list(shape)}.'
            )
        if dtype == torch.float16 and not bool((found.abs() <= LARGEST).all()):
            raise CodecError(f'{what}: tensor "{name}" holds values beyond ±{LARGEST:g}. Fetch it again.')
    steps, components = (tensors[f"{PREFIX}levels.{name}"].numpy() for name in ("steps", "components"))
    if steps.min() < 1 or components.min() < 0 or components.max() >= COMPONENTS:
        raise CodecError(f"{what}: steps or components of energies are out of range. Fetch it again.")
    mean, axes = (tensors[f"{PREFIX}levels.{name}"].numpy() for name in ("mean", "axes"))
    return StartWeights(
        LevelBook(mean, axes, steps, components),
        BlockBooks({key: tensors[f"{PREFIX}books.{key[0]}.{key[1]}"].float() for key in book_shapes()}),
        {n: tensors[f"{PREFIX}priorities.{n}"].numpy().astype(np.int64) for n in MODES},
        _slots_of(tensors) if is_learnt else None,
    )


def _slots_of(tensors: Mapping[str, Tensor]) -> SlotNetwork:
    weights, biases = (
        tuple(tensors[f"{SLOT_LAYERS}{number}.{kind}"].float().numpy() for number in range(len(SHAPES)))
        for kind in ("weight", "bias")
    )
    return SlotNetwork(weights, biases)


def random_weights(seed: int) -> StartWeights:
    """Return weights that code any sound badly; for tests and benchmarks."""
    rng = np.random.default_rng(seed)
    weights = np.repeat([1.0, SIDE_WEIGHT], VALUES // 2)
    axes = np.linalg.qr(rng.standard_normal((VALUES, COMPONENTS)))[0] / weights[:, None]
    components = np.concatenate([np.arange(COMPONENTS), np.arange(ENERGIES - COMPONENTS)])
    steps = np.where(np.arange(ENERGIES) < COMPONENTS, 20, 2) * UNIT << STEP_BITS
    priorities = {}
    for n in MODES:
        table = np.full((2, len(GEOMETRIES[n].blocks), MOST_STAGES), UNUSED, np.int64)
        for number, (kind, _, _) in enumerate(GEOMETRIES[n].blocks):
            table[:, number, : STAGES[kind]] = -number - 40 * np.arange(STAGES[kind])
        priorities[n] = table
    generator = torch.Generator().manual_seed(seed)
    books = {
        key: torch.randn(stages, ENTRIES, width, generator=generator).half().float()
        for key, (stages, width) in book_shapes().items()
    }
    levels = LevelBook(
        np.full(VALUES, -50 * UNIT, np.int32),
        np.round(axes * (1 << AXIS_BITS)).astype(np.int16),
        steps.astype(np.int32),
        components.astype(np.int16),
    )
    return StartWeights(levels, BlockBooks(books), priorities)
