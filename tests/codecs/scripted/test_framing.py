"""Messages of a scripted module's process are data: nothing in them can run or exhaust the memory."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.scripted.framing import LENGTH, FramingError, pack, read

shapes = st.lists(st.lists(st.integers(0, 5), max_size=3), max_size=4)


@settings(max_examples=25)
@given(shapes, st.dictionaries(st.text(max_size=5).filter(lambda name: name != "shapes"), st.integers(), max_size=3))
def test_a_message_is_read_as_it_was_packed(given_shapes: list[list[int]], header: dict[str, int]) -> None:
    arrays = [np.random.default_rng(0).standard_normal(shape).astype(np.float32) for shape in given_shapes]
    found, made = read(io.BytesIO(pack(header, arrays)).read)
    assert found == header
    assert all(np.array_equal(one, two) and one.shape == two.shape for one, two in zip(arrays, made, strict=True))


@pytest.mark.parametrize(
    "header", ["{", "[]", "{}", '{"shapes": 3}', '{"shapes": [[-1]]}', '{"shapes": [[1e9]]}', '{"shapes": [["x"]]}']
)
def test_a_message_of_another_form_is_refused(header: str) -> None:
    data = LENGTH.pack(len(header)) + header.encode()
    with pytest.raises(FramingError):
        read(io.BytesIO(data).read)


def test_a_long_header_is_refused_before_it_is_read() -> None:
    with pytest.raises(FramingError, match="4000000000 bytes"):
        read(io.BytesIO(LENGTH.pack(4_000_000_000)).read)


def test_a_header_is_json() -> None:
    assert json.loads(pack({"do": "x"})[LENGTH.size :]) == {"do": "x", "shapes": []}
