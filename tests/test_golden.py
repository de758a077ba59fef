"""The small CoDiCodec gives what it gave: codes to 1e-4, samples to 1e-4, tokens exactly."""

from __future__ import annotations

import numpy as np
import pytest

from tests import golden
from tests.small_codec import CONFIGS, small_codec


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
