"""Weights of swift in a safetensors file: books, priorities, frequencies of tokens.

The metadata holds the format, the spec as JSON (so that a list of codecs needs no tensor) and a
digest of the tensors. Tapes carry that digest: the order of tokens depends on the books, so a
tape can be decoded only with its own books.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.codec import CodecError, CodecSpec
from models.swift.energies import EnergyBooks
from models.swift.frame_layout import (
    BANDS,
    BITS,
    BLOCKS,
    CHANGE,
    CHANNELS,
    COARSE,
    DEFAULT_TOKENS,
    ENTRIES,
    FINE,
    HOP,
    KBPS_PER_TOKEN,
    PAIRS,
    RATE,
    STAGES,
)
from models.swift.gain_control import HALF_TAPS
from models.swift.shape_books import ShapeBooks
from models.weights_io.array_file import read_arrays, write_arrays

FORMAT = "verdigris-swift-1"
CONTEXTS = 1 + COARSE + FINE + sum(STAGES)  # of tokens: the attack, each energy book, each shape book
LARGEST = 100.0  # of an entry of a shape book
Tensors = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class SwiftWeights:
    """Books and tables that encoders and decoders share."""

    energies: EnergyBooks
    shapes: ShapeBooks
    priorities: npt.NDArray[np.int64]  # [pairs]
    frequencies: npt.NDArray[np.int64]  # [CONTEXTS, ENTRIES]: how often each token occurred where the books were made
    digest: str  # hexadecimal SHA-256 of the tensors


def spec_of(name: str, tokens: int) -> CodecSpec:
    """Return the spec of the codec that sends so many tokens of each frame."""
    return CodecSpec(
        name=name,
        sample_rate=RATE,
        channels=CHANNELS,
        hop=HOP,
        lookahead=HOP + HALF_TAPS,
        tokens=tokens,
        cardinality=1 << BITS,
        latent=(0, 0),
        paths=("discrete",),
        time_ordered=True,
        books=tokens,
    )


def kbps_of(tokens: int) -> str:
    """Return the bitrate of so many tokens a frame as it is typed, such as "4.5"."""
    return f"{tokens * KBPS_PER_TOKEN:g}"


def config_hash(digest: str, name: str, tokens: int) -> bytes:
    """Return the hash on tapes of the codec of this name and so many tokens a frame, 32 bytes."""
    layout = " 2" if tokens > CHANGE else ""  # before, positions of change and treble were shapes
    return hashlib.sha256(f"{FORMAT} {digest} {name} {tokens}{layout}".encode()).digest()


def digest_of(tensors: Tensors) -> str:
    """Return the SHA-256 of the tensors, hexadecimal."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        found.update(f"{name} {tensor.dtype.str} {tensor.shape} ".encode() + tensor.tobytes())
    return found.hexdigest()


def shapes_wanted() -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and type of every tensor of a file."""
    wanted: dict[str, tuple[tuple[int, ...], str]] = {
        "energies.mean": ((2 * BANDS,), "int16"),
        "energies.entries": ((COARSE + FINE, ENTRIES, 2 * BANDS), "int16"),
        "priorities": ((len(PAIRS),), "int32"),
        "frequencies": ((CONTEXTS, ENTRIES), "uint16"),
    }
    for block, (low, high) in enumerate(BLOCKS):
        wanted[f"shapes.{block}"] = ((STAGES[block], ENTRIES, high - low), "float16")
    return wanted


def save(tensors: Tensors, path: Path) -> None:
    """Write a file of these tensors; a half-written one never has the name `path`. CodecError if
    one is wrong.
    """
    _check(tensors, path.name)
    spec = json.dumps(asdict(spec_of("swift", DEFAULT_TOKENS)))
    write_arrays(tensors, path, {"format": FORMAT, "spec": spec, "digest": digest_of(tensors)})


def load(path: Path) -> SwiftWeights:
    """Return the weights of a file. CodecError if it is missing, damaged, or of another format or
    version.
    """
    tensors: Tensors
    tensors, metadata = read_arrays(path, FORMAT, 'codec "swift"', "Fit it again: verdigris train --model swift.")
    _check(tensors, path.name)
    digest = digest_of(tensors)
    if digest != metadata.get("digest"):
        raise CodecError(f'"{path.name}" is damaged: its tensors do not match their digest. Fetch it again.')
    return weights_of(tensors, digest)


def weights_of(tensors: Tensors, digest: str = "") -> SwiftWeights:
    """Return the weights that checked tensors make."""
    books = [list(tensors[f"shapes.{block}"].astype(np.float32)) for block in range(len(BLOCKS))]
    return SwiftWeights(
        EnergyBooks(tensors["energies.mean"].astype(np.int64), tensors["energies.entries"].astype(np.int64)),
        ShapeBooks(books),
        tensors["priorities"].astype(np.int64),
        tensors["frequencies"].astype(np.int64),
        digest or digest_of(tensors),
    )


def _check(tensors: Tensors, name: str) -> None:
    """Raise CodecError that names the first tensor that is missing, foreign, of a wrong shape or
    not finite.
    """
    wanted = shapes_wanted()
    for tensor in [*wanted, *tensors]:
        if tensor not in tensors:
            raise CodecError(f'"{name}" lacks the tensor "{tensor}". Fetch it again.')
        if tensor not in wanted:
            raise CodecError(f'"{name}" has an unexpected tensor "{tensor}". It is of another codec or version.')
        found, (shape, kind) = tensors[tensor], wanted[tensor]
        if (found.shape, str(found.dtype)) != (shape, kind):
            raise CodecError(
                f'"{name}": tensor "{tensor}" is {found.dtype} {list(found.shape)}; it must be {kind} {list(shape)}.'
            )
        if kind == "float16" and not (np.abs(found) <= LARGEST).all():
            raise CodecError(f'"{name}": tensor "{tensor}" holds values beyond ±{LARGEST:g}. Fetch it again.')
