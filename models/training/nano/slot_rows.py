"""Rows that the network of levels is fitted to: what a decoder knows of slots, and what they lack.

Rows are kept in a folder in parts of PART stretches, so that an interrupted analysis goes on.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.codec import Audio
from models.codicodec.start.digit_layout import HOP, REACH, SUPPORT
from models.codicodec.start.frame_decoder import decode
from models.codicodec.start.frame_encoder import FrameEncoder
from models.codicodec.start.mean_synthesis import MeanSynthesis
from models.codicodec.start.slot_levels import decibels, slot_powers
from models.codicodec.start.slot_network import INPUTS
from models.codicodec.start.start_weights import StartWeights
from models.training.data import RATE, Pack
from models.training.nano.start_fit import Say
from models.training.swift.stretches import SECONDS, stretches

PART = 10  # stretches of a file
CONTINUOUS = 0.3  # part of the stretches whose codes are not rounded


@dataclass(frozen=True)
class SlotRows:
    """Inputs of slots and the corrections in dB that would make their levels right."""

    inputs: npt.NDArray[np.float16]  # [n, INPUTS]
    missing: npt.NDArray[np.float32]  # [n]


def slot_rows(pack: Pack, start: StartWeights, seconds: int, seed: int, folder: Path, say: Say) -> SlotRows:
    """Return the rows of so many seconds of a pack. Parts that `folder` holds of the same sound, start
    and seed are not made again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain, began = replace(start, slots=None), time.perf_counter()
    waiting: list[Audio] = []
    parts: list[SlotRows] = []
    made = 0
    for number, audio in enumerate(stretches(pack, seconds, seed), 1):
        waiting.append(audio)
        if len(waiting) < PART and number * SECONDS + SECONDS <= seconds:
            continue
        path = folder / f"{len(parts):04}.npz"
        made_of = _digest(plain, seed, waiting)
        part = _load(path, made_of)
        if part is None:
            rng = np.random.default_rng([seed, len(parts)])
            found = [_of_stretch(plain, each, rng.random() < CONTINUOUS) for each in waiting]
            part = SlotRows(*(np.concatenate(column) for column in zip(*found, strict=True)))
            _save(path, part, made_of)
            made += SECONDS * len(waiting)
            pace = made / (time.perf_counter() - began)
            say(f"coded {number * SECONDS} of {seconds} s, {pace:.1f} x RT")
        parts.append(part)
        waiting.clear()
    return SlotRows(np.concatenate([part.inputs for part in parts]), np.concatenate([part.missing for part in parts]))


def _of_stretch(
    start: StartWeights, audio: Audio, is_continuous: bool
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float32]]:
    """Return the rows of all frames of a stretch [2, n] but the first, which begins in the middle of sound."""
    encoder, synthesis = FrameEncoder(start), MeanSynthesis(None)
    inputs, missing = [np.zeros((0, INPUTS), np.float16)], [np.zeros(0, np.float32)]
    for samples in _supports(audio):
        codes, high = encoder.code(samples)
        parts = synthesis.parts(decode(start, codes if is_continuous else np.round(codes)))
        left = decibels(slot_powers(high[:, :HOP])) - decibels(slot_powers(parts.high) + parts.noise)
        inputs.append(parts.rows.astype(np.float16))
        missing.append(left.astype(np.float32))
    return np.concatenate(inputs[:1] + inputs[2:]), np.concatenate(missing[:1] + missing[2:])


def _supports(audio: Audio) -> Iterator[Audio]:
    for at in range(0, audio.shape[1] - SUPPORT - 2 * REACH + 1, HOP):
        yield audio[:, at : at + SUPPORT + 2 * REACH]


def _digest(start: StartWeights, seed: int, sound: list[Audio]) -> str:
    found = hashlib.sha256(f"{start.digest} {seed}".encode())
    for audio in sound:
        found.update(np.ascontiguousarray(audio).tobytes())
    return found.hexdigest()


def _save(path: Path, rows: SlotRows, made_of: str) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, inputs=rows.inputs, missing=rows.missing, made_of=np.array(made_of))
    partial.replace(path)


def _load(path: Path, made_of: str) -> SlotRows | None:
    """Return the rows of a file; None if there is none, or one that was made of something else."""
    if not path.exists():
        return None
    with np.load(path) as held:
        return SlotRows(held["inputs"], held["missing"]) if str(held["made_of"]) == made_of else None


assert SECONDS * RATE > 2 * HOP + SUPPORT
