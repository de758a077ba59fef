"""The steps of a fit of the start: analysis, KLT of energies, books of shapes, priorities.

Shapes are normalised by decoded energies. Rows of a book are drawn as indices will be spent: loud
blocks of a frame more often, of all frequencies of a class and of both channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.codec import Audio
from models.codicodec.start import band_levels, frame_space
from models.codicodec.start.band_levels import AXIS_BITS, SIDE_WEIGHT, STEP_BITS, UNIT, Energies, LevelBook
from models.codicodec.start.block_books import BlockBooks, book_shapes
from models.codicodec.start.block_order import CLASSES, GEOMETRIES, MOST_STAGES, Mode, amplitudes
from models.codicodec.start.digit_layout import (
    CHANNELS,
    ENERGIES,
    ENTRIES,
    GRID,
    HOP,
    LEVELS,
    MODES,
    REACH,
    SPLIT,
    SUPPORT,
    Array,
)
from models.codicodec.start.frame_encoder import KEPT, FrameAnalysis
from models.codicodec.start.start_weights import COMPONENTS, UNUSED, VALUES, StartWeights
from models.training.swift.kmeans import fit as kmeans
from models.training.swift.kmeans import nearest

Say = Callable[[str], None]
STEP = 0.47  # of a component's standard deviation: width of its digit's steps
ROUNDED, TWICE_ROUNDED = 0.018, 0.01  # part of a component's variance that is left by one digit, and of that by another
CLAMP = 6.0  # of a normalised coefficient that books are fitted to
LOUD = -60 * UNIT  # a frame's loudest band, for it to be drawn
QUIET = -73 * UNIT  # a block's level, for it to be drawn
FOCUS = 0.5  # exponent of energy by which rows are drawn
MID_SHARE = 0.7  # of the rows of a book
BRIGHT = 6000  # Hz: distortion counts half from here on
LOW_HZ, LOW_BONUS = 609, 40  # blocks below have units of priority more
FALL = 0.98  # of a stage's worth against the stage before, at most


@dataclass(frozen=True)
class FrameVectors:
    """Frame vectors of all stretches, and their energies."""

    plain: Array  # [frames, 2, HOP]
    divided: Array  # [frames, 2, HOP], the high part over its gain
    energies: Array  # [frames, 2, GRID, BANDS], units

    def coefficients(self, segments: int) -> Array:
        """Return coefficients [frames, 2, segments, HOP / segments]."""
        first = SPLIT // segments
        parts = []
        for plain, divided in zip(np.array_split(self.plain, 32), np.array_split(self.divided, 32), strict=True):
            found = frame_space.forward(plain, segments)
            found[..., first:] = frame_space.forward(divided, segments)[..., first:]
            parts.append(found)
        return np.concatenate(parts)


def analyse(stretches: Iterable[Audio], say: Say) -> FrameVectors:
    """Return the frames of stretches of sound [2, n]."""
    plain, divided, energies = [], [], []
    for audio in stretches:
        padded = np.pad(audio, ((0, 0), (SUPPORT - HOP + 2 * REACH, -audio.shape[1] % HOP)))
        before = np.zeros(KEPT)
        for at in range(0, padded.shape[1] - SUPPORT - 2 * REACH + 1, HOP):
            found = FrameAnalysis(padded[:, at : at + SUPPORT + 2 * REACH], before)
            before = np.concatenate([before, found.curve])[-KEPT:]
            plain.append(found.plain)
            divided.append(found.divided)
            energies.append(band_levels.measure(found.coefficients(GRID)))
    say(f"analysed {len(plain)} frames")
    return FrameVectors(np.stack(plain), np.stack(divided), np.stack(energies))


def fit_levels(energies: Array, say: Say) -> LevelBook:
    """Return mean, axes and steps for energies [frames, 2, GRID, BANDS] in units."""
    rows = energies.reshape(len(energies), VALUES).astype(np.float64)
    weights = np.repeat([1.0, SIDE_WEIGHT], VALUES // CHANNELS)
    mean = rows.mean(0)
    spread = (rows - mean) * weights
    power, axes = np.linalg.eigh(spread.T @ spread / len(spread))
    power, axes = power[::-1].clip(0), axes[:, ::-1]
    left, depth = power[:COMPONENTS].copy(), np.zeros(COMPONENTS, np.int64)
    for _ in range(ENERGIES):
        gain = left * np.where(depth == 0, 1 - ROUNDED, np.where(depth == 1, 1 - TWICE_ROUNDED, 0))
        best = int(gain.argmax())
        left[best] -= gain[best]
        depth[best] += 1
    components = np.repeat(np.arange(COMPONENTS), depth)
    second = np.concatenate([[False], components[1:] == components[:-1]])
    steps = STEP * np.sqrt(power[components]) / np.where(second, LEVELS, 1)
    book = LevelBook(
        np.round(mean).astype(np.int32),
        np.round(axes[:, :COMPONENTS] / weights[:, None] * (1 << AXIS_BITS)).astype(np.int16),
        np.maximum(np.round(steps * (1 << STEP_BITS)), 1).astype(np.int32),
        components.astype(np.int16),
    )
    decoded = decoded_energies(book, energies[::7])
    say(f"energies: {np.sqrt(np.square(decoded - energies[::7]).mean((0, 2, 3))) / UNIT} dB left of mid and side")
    return book


def decoded_energies(book: LevelBook, energies: Array) -> npt.NDArray[np.int64]:
    """Return the energies that the digits of energies [frames, 2, GRID, BANDS] decode to."""
    return np.stack([book.decode(np.round(book.encode(each)).astype(np.int64)) for each in energies])


def fit_books(
    frames: FrameVectors, book: LevelBook, rows: int, iterations: int, seed: int, say: Say
) -> tuple[BlockBooks, dict[int, npt.NDArray[np.int64]]]:  # fmt: skip
    """Return the books and the priorities of each mode."""
    loud = frames.energies.max((1, 2, 3)) > LOUD
    kept = FrameVectors(frames.plain[loud], frames.divided[loud], frames.energies[loud])
    decoded = decoded_energies(book, kept.energies)
    books: dict[tuple[int, int], Tensor] = {}
    priorities = {}
    shapes_wanted = book_shapes()
    for segments in MODES:
        mode = GEOMETRIES[segments]
        coefficients = kept.coefficients(segments)
        shapes, likely = _normalised(mode, coefficients, decoded)
        worth = np.full((2, len(CLASSES), MOST_STAGES), 1e-6)
        for kind, (own, bins) in enumerate(mode.spans):
            if (segments, kind) not in shapes_wanted:
                continue
            width = CLASSES[kind][0]
            blocks = shapes[..., bins].reshape(*shapes.shape[:3], -1, width)
            drawn = _draw(blocks, likely[..., own], rows, np.random.default_rng([seed, segments, kind]))
            books[segments, kind] = _fit_stages(
                drawn, shapes_wanted[segments, kind][0], iterations, seed, worth[:, kind]
            )
        priorities[segments] = _priorities(mode, worth)
        say(f"books of {segments} segments")
    return BlockBooks(books), priorities


def _normalised(mode: Mode, coefficients: Array, energies: Energies) -> tuple[Array, Array]:
    """Return coefficients over the decoded amplitudes, and the likelihood of each block to be drawn."""
    likely = np.empty((len(coefficients), 2, mode.segments, len(mode.blocks)), np.float32)
    centres = np.array([(first + end) / 2 for _, first, end in mode.blocks]) * 24_000 / mode.length
    tilt = 10 * UNIT * np.log10(1 + (centres / BRIGHT) ** 2)
    for number, each in enumerate(energies):
        powers = mode.powers(each)
        coefficients[number] /= amplitudes(mode, powers)
        levels = mode.block_levels(powers)
        heard = levels - tilt
        likely[number] = np.power(10, FOCUS * (heard - heard.max()) / (10 * UNIT)) * (levels > QUIET)
    return np.clip(coefficients, -CLAMP, CLAMP, out=coefficients), likely


def _draw(blocks: Array, likely: Array, rows: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return rows [MID_SHARE * rows, width] of the mid and others of the side, of blocks
    [frames, 2, segments, blocks, width].
    """
    found = []
    for channel, share in ((0, MID_SHARE), (1, 1 - MID_SHARE)):
        weights = np.cumsum(likely[:, channel].reshape(-1), dtype=np.float64)
        chosen = np.searchsorted(weights, rng.random(round(rows * share)) * weights[-1]).clip(0, len(weights) - 1)
        found.append(torch.from_numpy(blocks[:, channel].reshape(len(weights), -1)[chosen]))
    return found[0], found[1]


def _fit_stages(drawn: tuple[Tensor, Tensor], stages: int, iterations: int, seed: int, worth: Array) -> Tensor:
    """Return the books [stages, ENTRIES, width] of drawn rows; put what each removes in `worth` [2, stages]."""
    left, mids = torch.cat(drawn), len(drawn[0])
    power = [float(part.square().sum(1).mean()) for part in drawn]
    books = []
    for stage in range(stages):
        entries = kmeans(left, ENTRIES, iterations, seed + stage).half().float()
        left = left - entries[nearest(left, entries)]
        books.append(entries)
        for channel, part in enumerate((left[:mids], left[mids:])):
            remaining = float(part.square().sum(1).mean())
            worth[channel, stage] = max(power[channel] - remaining, 1e-4)
            power[channel] = remaining
    for stage in range(1, stages):
        worth[:, stage] = np.minimum(worth[:, stage], FALL * worth[:, stage - 1])
    return torch.stack(books)


def _priorities(mode: Mode, worth: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the priority [2, blocks, MOST_STAGES] of each pair in units."""
    table = np.full((2, len(mode.blocks), MOST_STAGES), UNUSED, np.int64)
    for number, (kind, first, end) in enumerate(mode.blocks):
        hertz = (first + end) / 2 * 24_000 / mode.length
        units = 10 * UNIT * np.log10(worth[:, kind] / (1 + (hertz / BRIGHT) ** 2) + 1e-6)
        exist = worth[0, kind] > 1e-6
        table[:, number, exist] = np.round(units[:, exist]) + LOW_BONUS * (hertz < LOW_HZ)
    return table


def fit(frames: FrameVectors, rows: int, iterations: int, seed: int, say: Say) -> StartWeights:
    """Return the weights of a start that is fitted to frames."""
    levels = fit_levels(frames.energies, say)
    shapes, priorities = fit_books(frames, levels, rows, iterations, seed, say)
    return StartWeights(levels, shapes, priorities)
