"""The steps of a fit: analysis, energy books, shape books, priorities.

Energies are predicted from the past in the codec; here the past is the original's with noise of
the size of the quantisation error. Shapes are normalised by energies with such noise. Rows of a
block are drawn as tokens will be spent: loud blocks of a frame more often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.codec import Audio
from models.swift import energies as bands
from models.swift.allocation import block_energies
from models.swift.analysis import Analyser
from models.swift.energies import LEAK, LOWEST, SIDE_WEIGHT, SILENCE_STEP, UNIT
from models.swift.frame_layout import (
    BAND_EDGES,
    BANDS,
    BIN,
    BINS,
    BLOCKS,
    COARSE,
    ENTRIES,
    FINE,
    HOP,
    PAIRS,
    STAGES,
)
from models.training.swift.kmeans import fit as kmeans
from models.training.swift.kmeans import nearest

Say = Callable[[str], None]
NOISE = 0.7  # of the standard deviation of the energies' error, that shapes are normalised with
CLAMP = 6.0  # of a normalised coefficient that books are fitted to
QUIET = 12 * UNIT  # above LOWEST: what blocks are drawn from
FOCUS = 0.5  # exponent of energy by which rows are drawn
MID_SHARE = 0.65  # of the rows of a book
BRIGHT = 6000  # Hz: distortion counts half from here on
LOW_HZ, LOW_BONUS = 600, 40  # blocks below have units of priority more
FALL = 0.98  # of a stage's worth against the stage before, at most


@dataclass(frozen=True)
class Analysed:
    """Frames of all stretches, one behind the other."""

    shapes: Tensor  # float16 [frames, 2, BINS], over the root mean square of their bands
    energies: Tensor  # float32 [frames, 2 * BANDS]
    starts: Tensor  # bool [frames]: the first of a stretch


def analyse(stretches: Iterable[Audio], seconds: int, say: Say) -> Analysed:
    """Return the frames of stretches of sound of so many seconds in all."""
    shapes, energies, starts, done = [], [], [], 0
    for audio in stretches:
        analyser = Analyser()
        padded = np.pad(audio, ((0, 0), (0, -audio.shape[1] % HOP)))
        found = np.stack([analyser.step(hop).coefficients for hop in np.split(padded, padded.shape[1] // HOP, axis=1)])
        measured = bands.measure(found)
        shapes.append((found / scales(measured)).clip(-60000, 60000).astype(np.float16))
        energies.append(measured)
        starts += [True] + [False] * (len(found) - 1)
        done += audio.shape[1]
        if done * 10 // (seconds * 48_000) > (done - audio.shape[1]) * 10 // (seconds * 48_000):
            say(f"analysed {done / 48_000:.0f} of {seconds} s")
    return Analysed(
        torch.from_numpy(np.concatenate(shapes)),
        torch.from_numpy(np.concatenate(energies)).float(),
        torch.tensor(starts),
    )


def scales(measured: np.ndarray) -> np.ndarray:
    """Return the root mean square of each bin's band [frames, 2, BINS] for energies [frames, 2 *
    BANDS].
    """
    bins = np.power(10, measured / (20 * UNIT)).astype(np.float32).reshape(-1, 2, BANDS)
    return np.repeat(bins, np.diff(BAND_EDGES), axis=2)


def fit_energies(data: Analysed, rows: int, iterations: int, seed: int, say: Say) -> tuple[Tensor, Tensor, Tensor]:
    """Return in units the mean [2 * BANDS], books [COARSE + FINE, ENTRIES, 2 * BANDS], and the
    size of the error.

    The error [2 * BANDS] is what the coarse books leave. Mean and books are whole numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    mean = data.energies.mean(0).round()
    weights = torch.cat([torch.ones(BANDS), SIDE_WEIGHT * torch.ones(BANDS)])
    before = torch.cat([mean[None], data.energies[:-1]])
    before[data.starts] = mean
    error = torch.full((2 * BANDS,), 25.0)
    for _ in range(2):
        chosen = torch.randperm(len(before), generator=generator)[:rows]
        decoded = before[chosen] + error * torch.randn(len(chosen), 2 * BANDS, generator=generator)
        predicted = mean + LEAK[0] / LEAK[1] * (decoded - mean)
        left, books = (data.energies[chosen] - predicted) * weights, []
        for stage in range(COARSE + FINE):
            size = ENTRIES if stage else ENTRIES - 1
            entries = (kmeans(left, size, iterations, seed + stage) / weights).round()
            if not stage:
                entries = torch.cat([torch.full((1, 2 * BANDS), float(SILENCE_STEP)), entries])
            left = left - (entries * weights)[nearest(left, entries * weights)]
            books.append(entries)
            if stage == COARSE - 1:
                error = left.std(0) / weights
        found = torch.stack(books)
    say(f"energies: {float(error.mean()) / UNIT:.2f} dB left of {COARSE} books")
    return mean, found, error


def fit_shapes(
    data: Analysed, error: Tensor, rows: int, iterations: int, seed: int, say: Say
) -> tuple[list[Tensor], Tensor]:  # fmt: skip
    """Return the books of each block [stages, ENTRIES, width] and the distortion each removes [2,
    blocks, stages].
    """
    generator = torch.Generator().manual_seed(seed + 1)
    loud = (data.energies[:, :BANDS].amax(1) > LOWEST + 15 * UNIT).nonzero()[:, 0]
    measured = data.energies[loud]
    decoded = (measured + NOISE * error * torch.randn(measured.shape, generator=generator)).round()
    blocks = torch.from_numpy(block_energies(decoded.long().numpy())).float()
    weight = 10 ** (FOCUS * (blocks - blocks.amax(1, keepdim=True)) / (10 * UNIT))
    weight = weight * (blocks > LOWEST + QUIET) + 1e-9
    rescale = 10 ** ((measured - decoded) / (20 * UNIT))  # [frames, 2 * BANDS]
    audible = torch.from_numpy(1 / (1 + ((np.arange(BINS) + 0.5) * BIN / BRIGHT) ** 2)).float()
    worth, books = torch.full((2, len(BLOCKS), max(STAGES)), 1e-6), []
    for block, (low, high) in enumerate(BLOCKS):
        parts = []
        for channel, share in ((0, MID_SHARE), (1, 1 - MID_SHARE)):
            drawn = torch.multinomial(
                weight[:, channel * len(BLOCKS) + block], int(share * rows), True, generator=generator
            )
            bins = torch.repeat_interleave(torch.arange(2 * BANDS).view(2, BANDS), torch.tensor(np.diff(BAND_EDGES)), 1)
            shape = data.shapes[loud[drawn], channel, low:high].float()
            parts.append((shape * rescale[drawn][:, bins[channel, low:high]]).clamp(-CLAMP, CLAMP))
        left, mids = torch.cat(parts), len(parts[0])
        power = [left[:mids].square().sum(1).mean(), left[mids:].square().sum(1).mean()]
        stages = []
        for stage in range(STAGES[block]):
            entries = kmeans(left, ENTRIES, iterations, seed + stage).half().float()
            left = left - entries[nearest(left, entries)]
            stages.append(entries)
            for channel, part in ((0, left[:mids]), (1, left[mids:])):
                remaining = part.square().sum(1).mean()
                worth[channel, block, stage] = (power[channel] - remaining).clamp(min=1e-4) * audible[low:high].mean()
                power[channel] = remaining
        books.append(torch.stack(stages))
        if block % 4 == 3:
            say(f"shapes: {block + 1} of {len(BLOCKS)} blocks")
    return books, worth


def priorities_of(worth: Tensor) -> np.ndarray:
    """Return the priority of each pair in units, which falls from stage to stage."""
    for stage in range(1, worth.shape[2]):
        worth[:, :, stage] = torch.minimum(worth[:, :, stage], FALL * worth[:, :, stage - 1])
    units = UNIT * 10 * torch.log10(worth + 1e-6)
    low = [(BLOCKS[pair.block][0] + BLOCKS[pair.block][1]) // 2 * BIN < LOW_HZ for pair in PAIRS]
    return np.array(
        [
            int(units[pair.channel, pair.block, pair.stage]) + LOW_BONUS * is_low
            for pair, is_low in zip(PAIRS, low, strict=True)
        ],
        np.int32,
    )
