"""Golden vectors: of the small CoDiCodec codes and samples to 1e-4 and tokens exactly, of nano the decoder."""

from __future__ import annotations

import numpy as np
import pytest

from models.codec import DecoderControls, Frame
from tests.support import golden
from tests.support.small_codec import CONFIGS, small_codec


@pytest.mark.parametrize("name", CONFIGS)
def test_golden_vectors_are_met(name: str) -> None:
    with np.load(golden.FILE) as kept:
        for key, found in golden.vectors(small_codec(name)).items():
            expected = kept[f"{name}.{key}"]
            assert found.shape == expected.shape
            if key == "tokens":
                assert np.array_equal(found, expected)
            else:
                assert np.abs(found - expected).max() < 1e-4, key


def test_golden_tokens_of_nano_sound_the_same_on_any_machine() -> None:
    """Another machine may encode otherwise, by rounding; what a tape says must not change."""
    codec = golden.bundled()
    with np.load(golden.FILE) as kept:
        tokens = kept["nano.tokens"]
        decoder = codec.open_decoder("discrete")
        frames = [Frame(number, each, None, 1.0) for number, each in enumerate(tokens)]
        live = [decoder.decode(frame, DecoderControls(seed=1)) for frame in frames]
        found = np.concatenate(live, axis=1)[:, :: golden.DECIMATION]
        assert np.abs(found - kept["nano.discrete"]).max() < 1e-3
        parallel = codec.decode(tokens, "parallel", steps=3, generator=1)[:, :: golden.DECIMATION]
        assert np.abs(parallel - kept["nano.parallel"]).max() < 1e-3
