"""Weights of a token language model in a safetensors file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from models.codec import CodecError
from models.language.frame_transformer import LayerWeights
from models.swift.frame_layout import BANDS, BLOCKS, COARSE, ENTRIES, STAGES, Array
from models.swift.gain_control import VALUES
from models.weights_io.array_file import read_arrays, write_arrays

FORMAT = "verdigris-language-1"
FEATURES = 2 * BANDS + 4  # of a frame: energies, gain, attack, its level, loudness
RELIABILITIES = 6  # classes of how well the last frames predicted each other
MOST_STAGES = max(STAGES)


@dataclass(frozen=True)
class LanguageSizes:
    """Sizes of the network."""

    width: int
    layers: int
    heads: int
    window: int  # frames that attention reaches back


@dataclass(frozen=True)
class LanguageWeights:
    """Tensors of a model by name, its sizes, and the digest of the books that its tokens are of."""

    sizes: LanguageSizes
    tensors: dict[str, Array]
    books: str

    def layers(self) -> list[LayerWeights]:
        """Return the layers of the network."""
        names = LayerWeights.__dataclass_fields__
        every = range(self.sizes.layers)
        return [LayerWeights(**{name: self.tensors[f"layers.{number}.{name}"] for name in names}) for number in every]


def shapes_of(sizes: LanguageSizes) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a file."""
    width, heads = sizes.width, sizes.heads
    shapes: dict[str, tuple[int, ...]] = {
        "enter": (FEATURES, width),
        "enter_bias": (width,),
        "mean": (width, 2 * BANDS),  # of the energies, beyond their prediction
        "precision": (width, 2 * BANDS),  # log
        "precision_bias": (2 * BANDS,),
        "attack": (width, VALUES),
        "attack_bias": (VALUES,),
        "entries": (COARSE, width, ENTRIES),
        "entries_bias": (COARSE, ENTRIES),
        "nearness": (COARSE,),  # log weight of an entry's distance
        "tonal": (len(BLOCKS), MOST_STAGES, RELIABILITIES),  # weight of a shape's distance from its prediction
    }
    for number in range(sizes.layers):
        shapes |= {
            f"layers.{number}.first_norm": (width,),
            f"layers.{number}.second_norm": (width,),
            f"layers.{number}.products": (width, 3 * width),
            f"layers.{number}.output": (width, width),
            f"layers.{number}.ages": (heads, sizes.window),
            f"layers.{number}.widen": (width, 4 * width),
            f"layers.{number}.narrow": (4 * width, width),
        }
    return shapes


def save_language(weights: LanguageWeights, path: Path) -> None:
    """Write a file in float16; a half-written one never has the name `path`."""
    tensors = {name: np.ascontiguousarray(tensor.astype(np.float16)) for name, tensor in weights.tensors.items()}
    metadata = {"format": FORMAT, "sizes": json.dumps(asdict(weights.sizes)), "books": weights.books}
    write_arrays(tensors, path, metadata)


def load_language(path: Path) -> LanguageWeights:
    """Return the weights of a file. CodecError if it is missing, damaged or of another format."""
    remedy = "Train it again: verdigris train --model language."
    found, metadata = read_arrays(path, FORMAT, "the language model", remedy)
    try:
        tensors = {name: tensor.astype(np.float32) for name, tensor in found.items()}
        sizes = LanguageSizes(**json.loads(metadata["sizes"]))
    except (ValueError, TypeError, KeyError) as error:
        raise CodecError(f'"{path.name}" is damaged ({error}). Fetch it again.') from error
    for name, shape in shapes_of(sizes).items():
        if name not in tensors or tensors[name].shape != shape or not np.isfinite(tensors[name]).all():
            raise CodecError(f'"{path.name}": tensor "{name}" is missing or damaged. Fetch it again.')
    return LanguageWeights(sizes, tensors, metadata["books"])
