"""Entropy coding of tokens: bit-exact both ways, never far above the nominal size, below it where there is order."""

from __future__ import annotations

import builtins
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codec import CodecError
from models.entropy.range_coding import PROB_ONE, CountingModel, decode, encode

needs_coder = pytest.mark.skipif(not find_spec("constriction"), reason="the extra entropy is not installed")


def orderly(steps: int, books: int, size: int, seed: int = 0) -> np.ndarray:
    """Tokens that often stay, of which few are common, and whose books depend on each other."""
    rng = np.random.default_rng(seed)
    common = rng.zipf(1.3, (steps, books)) % size
    for step in range(1, steps):
        if rng.random() < 0.4:
            common[step] = common[step - 1]
    common[:, 1:] = np.where(rng.random((steps, books - 1)) < 0.5, (common[:, :-1] * 7 + 3) % size, common[:, 1:])
    return common.astype(np.int32)


@needs_coder
@settings(max_examples=20)
@given(st.integers(1, 30), st.integers(1, 4), st.sampled_from([2, 10, 1024]), st.integers(0, 2**31))
def test_encoded_tokens_are_decoded_bit_by_bit(steps: int, books: int, size: int, seed: int) -> None:
    tokens = np.random.default_rng(seed).integers(size, size=(steps, books))
    assert np.array_equal(decode(encode(tokens, CountingModel(books, size)), steps, CountingModel(books, size)), tokens)


@needs_coder
def test_nothing_is_nothing() -> None:
    assert decode(encode(np.zeros((0, 8), np.int32), CountingModel(8, 1024)), 0, CountingModel(8, 1024)).shape == (0, 8)


@needs_coder
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["random", "orderly"])
def test_ten_thousand_frames_go_round_bit_by_bit(kind: str) -> None:
    made = {
        "random": lambda: np.random.default_rng(1).integers(1024, size=(10_000, 4)),
        "orderly": lambda: orderly(10_000, 4, 1024),
    }
    tokens = made[kind]()
    data = encode(tokens, CountingModel(4, 1024))
    nominal = tokens.size * 10 / 8
    print(f"{kind}: {len(data)} bytes of {nominal:.0f}, {100 * (1 - len(data) / nominal):.1f} % saved")
    assert np.array_equal(decode(data, 10_000, CountingModel(4, 1024)), tokens)
    assert len(data) < (1.06 if kind == "random" else 0.7) * nominal


@needs_coder
def test_the_bytes_are_as_many_as_the_model_says() -> None:
    tokens = orderly(400, 4, 64)
    model, coded = CountingModel(4, 64), 8 * len(encode(tokens, CountingModel(4, 64)))
    assert coded == pytest.approx(sum(model.bits(step) for step in tokens.tolist()), rel=0.01, abs=64)


@needs_coder
def test_the_same_tokens_are_the_same_bytes_on_every_machine() -> None:
    """Whole numbers throughout: these bytes may be written here and read anywhere."""
    tokens = (np.arange(40).reshape(10, 4) ** 2 % 32).astype(np.int32)
    assert encode(tokens, CountingModel(4, 32)).hex() == GOLDEN


@given(st.lists(st.integers(0, 15), max_size=60), st.integers(0, 15))
def test_frequencies_are_whole_and_add_up_to_one(tokens: list[int], before: int) -> None:
    model = CountingModel(2, 16)
    for token in tokens:
        model.learn(1, token, before)
    found = model.frequencies(1, [before])
    assert found.min() >= 1
    assert int(found.sum()) == PROB_ONE


def test_random_tokens_cost_their_size_and_repeated_ones_hardly_anything() -> None:
    rng = np.random.default_rng(2)
    model = CountingModel(4, 1024)
    costs = [model.bits(step) for step in rng.integers(1024, size=(2000, 4)).tolist()]
    assert np.mean(costs) < 1.06 * 40
    model = CountingModel(4, 1024)
    costs = [model.bits([7, 8, 9, 10]) for _ in range(500)]
    assert np.mean(costs[100:]) < 2


def test_a_model_forgets_before_it_fills_memory() -> None:
    model = CountingModel(1, 4)
    for value in range(6000):
        model.learn(0, value % 4, value)
    assert len(model.counts[0]) <= 4096


@needs_coder
def test_bytes_that_are_not_a_coded_stream_are_refused() -> None:
    with pytest.raises(CodecError, match="3 bytes are not coded tokens"):
        decode(b"abc", 1, CountingModel(1, 4))
    with pytest.raises(CodecError, match=r"tokens 4 \.\.\. 4 cannot be coded; give 0 \.\.\. 3"):
        encode(np.array([[4]]), CountingModel(1, 4))


def test_without_the_library_the_message_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: object) -> object:
        if name == "constriction":
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(CodecError, match="pip install constriction"):
        encode(np.zeros((1, 1), np.int32), CountingModel(1, 4))


GOLDEN = "7b9a48001d59ed908bcaa40a7829e718fcfdcc1e1e1db562"
