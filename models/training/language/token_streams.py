"""Streams of tokens from the shards of `verdigris tokens --format safetensors`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from models.codec import CodecError, Tokens
from models.language.frame_model import features
from models.swift.codec import repeats
from models.swift.frame_layout import COARSE, Array
from models.swift.gain_control import VALUES, curve_of
from models.swift.weights import SwiftWeights

HELD_OUT = 13  # of 256: one piece in twenty, the same ones as in `training/corpus/fetch.py`


@dataclass(frozen=True)
class Stream:
    """One file as the network sees it."""

    name: str
    inputs: Array  # [frames, FEATURES]
    energies: npt.NDArray[np.int16]  # [1 + frames, 2 * BANDS], units: before each frame, and after the last
    tokens: npt.NDArray[np.int16]  # [frames, 1 + COARSE]
    repeated: npt.NDArray[np.bool_]  # [frames]


def is_held_out(name: str) -> bool:
    """Return True if a file is kept for validation; the variants of a piece stay together."""
    path = Path(name)
    group = f"{path.parent.name}/{path.stem.partition('~')[0]}"
    return hashlib.sha1(group.encode()).digest()[0] < HELD_OUT


def read_tokens(folders: list[Path], held_out: bool) -> Iterator[tuple[str, Tokens]]:
    """Yield name and tokens [frames, tokens] of each file of a split. CodecError if there is no shard."""
    shards = [shard for folder in folders for shard in sorted(folder.glob("shard-*.safetensors"))]
    if not shards:
        raise CodecError(
            f"no shards of tokens in {', '.join(map(str, folders))}. "
            "Make them: verdigris tokens FOLDER OUT --codec swift --format safetensors"
        )
    for path in shards:
        with safe_open(path, framework="numpy") as shard:
            content = json.loads(shard.metadata()["verdigris"])
            if content["kind"] != "tokens" or not content["codec"]["codec"].startswith("swift"):
                raise CodecError(
                    f"{path}: holds {content['kind']} of {content['codec']['codec']}. Pass tokens of swift."
                )
            for key, facts in content["samples"].items():
                if is_held_out(facts["file"]) == held_out:
                    yield facts["file"], shard.get_tensor(key).astype(np.int32)


def stream_of(name: str, frames: Tokens, books: SwiftWeights) -> Stream:
    """Return a file's tokens [frames, tokens] with the states of their decoder."""
    state, gain, before = books.energies.mean, 0.0, None
    energies, gains, repeated = [state], [], []
    for tokens in frames:
        held = repeats(tokens, before)
        if not held:
            state = books.energies.decode(state, tokens[1 : 1 + COARSE])
            gain = curve_of(int(tokens[0]), gain)[-1]
        before = tokens
        energies.append(state)
        gains.append(gain)
        repeated.append(held)
    kept, attack = np.array(energies), np.minimum(frames[:, 0], VALUES - 1)
    inputs = features(kept[1:], np.array(gains, np.float32), attack, books.energies.mean)
    first = np.concatenate([attack[:, None], frames[:, 1 : 1 + COARSE]], 1)
    return Stream(name, inputs, kept.astype(np.int16), first.astype(np.int16), np.array(repeated))
