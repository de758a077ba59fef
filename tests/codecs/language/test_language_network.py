"""The network of the language model: numpy frame by frame, and torch over whole sequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.codec import CodecError
from models.language.frame_model import SCALE, FrameModel
from models.language.frame_state import SwiftState
from models.language.language_weights import LanguageSizes, LanguageWeights, load_language, save_language, shapes_of
from models.training.language.network import LanguageNetwork
from models.training.language.token_streams import stream_of
from tests.codecs.swift.test_swift import clip, encoded, swift

SMALL = LanguageSizes(width=16, layers=2, heads=2, window=7)


def random_network() -> LanguageNetwork:
    network = LanguageNetwork(SMALL, swift().weights)
    generator = torch.Generator().manual_seed(1)
    for weight in network.parameters():
        weight.data += 0.05 * torch.randn(weight.shape, generator=generator)
    return network


def test_a_stream_costs_the_bits_of_the_whole_sequence() -> None:
    frames = np.stack([frame.tokens for frame in encoded(clip(seconds=1.0))])
    books, network = swift().weights, random_network()
    stream = stream_of("", frames, books)
    model, state = (
        FrameModel(LanguageWeights(SMALL, network.tensors(), books.digest), books.energies),
        SwiftState(books, 32),
    )
    streamed = []
    for tokens in frames:
        streamed.append(sum(model.bits(tokens, state.energies)))
        model.take(state.take(tokens))
    before = books.energies.predict(stream.energies[1:-1].astype(np.int64)) / SCALE
    given = stream.inputs[:-1], stream.energies[1:-1] / SCALE, stream.tokens[1:].astype(np.int64), before
    with torch.no_grad():
        attack, energy = network.bits(
            *(torch.from_numpy(part if part.dtype == np.int64 else part.astype(np.float32))[None] for part in given)
        )
    whole = (attack[0] + energy[0].sum(-1)).numpy()
    np.testing.assert_allclose(streamed[1:], whole, rtol=1e-4, atol=1e-3)


def test_a_reset_restores_the_first_expectation() -> None:
    books, network = swift().weights, random_network()
    model = FrameModel(LanguageWeights(SMALL, network.tensors(), books.digest), books.energies)
    first, state = model.next, SwiftState(books, 32)
    model.take(state.take(encoded(clip(seconds=0.1))[0].tokens))
    assert not np.array_equal(model.next.energies, first.energies)
    model.reset()
    assert np.array_equal(model.next.energies, first.energies)
    assert np.array_equal(model.next.attack, first.attack)


def test_weights_survive_their_file_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "language.safetensors"
    weights = LanguageWeights(SMALL, random_network().tensors(), "books")
    save_language(weights, path)
    loaded = load_language(path)
    assert (loaded.sizes, loaded.books) == (SMALL, "books")
    for name in shapes_of(SMALL):
        np.testing.assert_allclose(loaded.tensors[name], weights.tensors[name], rtol=1e-3, atol=1e-4)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CodecError, match="truncated or damaged"):
        load_language(path)
    with pytest.raises(CodecError, match="does not exist"):
        load_language(tmp_path / "none.safetensors")
