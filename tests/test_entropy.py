"""Entropy coding of tokens: bit-exact both ways, never far above the nominal size, below it where there is order."""

from __future__ import annotations

import builtins
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codec import CodecError
from models.entropy import ONE, TokenModel, decode, encode, spent

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
def test_what_is_encoded_is_decoded_bit_by_bit(steps: int, books: int, size: int, seed: int) -> None:
    tokens = np.random.default_rng(seed).integers(size, size=(steps, books))
    assert np.array_equal(decode(encode(tokens, size), steps, books, size), tokens)


@needs_coder
def test_nothing_is_nothing() -> None:
    assert decode(encode(np.zeros((0, 8), np.int32), 1024), 0, 8, 1024).shape == (0, 8)


@needs_coder
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["random", "orderly"])
def test_ten_thousand_frames_go_round_bit_by_bit(kind: str) -> None:
    made = {
        "random": lambda: np.random.default_rng(1).integers(1024, size=(10_000, 4)),
        "orderly": lambda: orderly(10_000, 4, 1024),
    }
    tokens = made[kind]()
    data = encode(tokens, 1024)
    nominal = tokens.size * 10 / 8
    print(f"{kind}: {len(data)} bytes of {nominal:.0f}, {100 * (1 - len(data) / nominal):.1f} % saved")
    assert np.array_equal(decode(data, 10_000, 4, 1024), tokens)
    assert len(data) < (1.06 if kind == "random" else 0.7) * nominal


@needs_coder
def test_the_bytes_are_as_many_as_the_model_says() -> None:
    tokens = orderly(400, 4, 64)
    model, coded = TokenModel(4, 64), 8 * len(encode(tokens, 64))
    assert coded == pytest.approx(sum(model.bits(step) for step in tokens.tolist()), rel=0.01, abs=64)
    assert coded == pytest.approx(spent(tokens, 64), rel=1e-3, abs=64)


@needs_coder
def test_the_same_tokens_are_the_same_bytes_on_every_machine() -> None:
    """Whole numbers throughout: these bytes may be written here and read anywhere."""
    tokens = (np.arange(40).reshape(10, 4) ** 2 % 32).astype(np.int32)
    assert encode(tokens, 32).hex() == GOLDEN


@given(st.lists(st.integers(0, 15), max_size=60), st.integers(0, 15))
def test_frequencies_are_whole_and_add_up_to_one(tokens: list[int], before: int) -> None:
    model = TokenModel(2, 16)
    for token in tokens:
        model.learn(1, token, before)
    found = model.frequencies(1, [before])
    assert found.min() >= 1
    assert int(found.sum()) == ONE


def test_random_tokens_cost_what_they_are_and_repeated_ones_hardly_anything() -> None:
    rng = np.random.default_rng(2)
    model = TokenModel(4, 1024)
    costs = [model.bits(step) for step in rng.integers(1024, size=(2000, 4)).tolist()]
    assert np.mean(costs) < 1.06 * 40
    model = TokenModel(4, 1024)
    costs = [model.bits([7, 8, 9, 10]) for _ in range(500)]
    assert np.mean(costs[100:]) < 2


class Known:
    """A forecast that knows what comes three times in four, of values that all come as often."""

    books = 2

    def __init__(self, tokens: np.ndarray, size: int) -> None:
        self.tokens, self.size, self.at = tokens, size, 0

    def open(self, books: int) -> Known:
        return self

    def chances(self, book: int, before: np.ndarray) -> np.ndarray:
        chances = np.full(self.size, 2.0**-8)
        chances[self.tokens[self.at, book]] = 3 * 2.0**-8 * (self.size - 1)
        return chances

    def take(self, tokens: np.ndarray) -> None:
        self.at += 1


@pytest.mark.parametrize("steps", [10, 300, 12_000])
def test_counts_do_not_outweigh_a_forecast_however_long_the_stream(steps: int) -> None:
    rng, size = np.random.default_rng(3), 16
    told = rng.integers(size, size=(steps, 2))
    tokens = np.where(rng.random((steps, 2)) < 0.75, told, rng.integers(size, size=(steps, 2)))
    right = tokens == told
    alone = float(np.sum(np.where(right, -np.log2(0.75), -np.log2(0.25 / (size - 1)))))
    assert spent(tokens, size, Known(told, size)) < 1.03 * alone + 20  # type: ignore[arg-type]


def test_counts_are_believed_where_a_forecast_is_wrong() -> None:
    told, tokens = np.zeros((2000, 2), int), np.full((2000, 2), 5)
    assert spent(tokens, 16, Known(told, 16)) < 0.1 * 4 * tokens.size  # type: ignore[arg-type]


def test_a_model_forgets_before_it_fills_memory() -> None:
    model = TokenModel(1, 4)
    for value in range(6000):
        model.learn(0, value % 4, value)
    assert len(model._seen[0]) <= 4096


@needs_coder
def test_what_is_no_coded_stream_is_told() -> None:
    with pytest.raises(CodecError, match="3 bytes are no coded tokens"):
        decode(b"abc", 1, 1, 4)
    with pytest.raises(CodecError, match=r"tokens 4 \.\.\. 4 cannot be coded; give 0 \.\.\. 3"):
        encode(np.array([[4]]), 4)


def test_without_the_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: object) -> object:
        if name == "constriction":
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(CodecError, match="pip install constriction"):
        encode(np.zeros((1, 1), np.int32), 4)


GOLDEN = "7b9a48001d59ed908bcaa40a7829e718fcfdcc1e1e1db562"
