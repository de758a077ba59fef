"""The forecast of codes: the same to the last bit in any order of sums, near what training computed, and useful."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codec import CodecError
from models.entropy import decode, encode
from models.forecast import FINE, GRID, Forecast, ForecastConfig, on_grid, power
from models.training.residual.forecast import ForecastNetwork, draw, save, train

torch.set_num_threads(1)
needs_coder = pytest.mark.skipif(not find_spec("constriction"), reason="the extra entropy is not installed")

SMALL = ForecastConfig(3, 32, width=16, layers=2, heads=4, inner=24, window=5)
seeds = st.integers(0, 2**31 - 1)


def weights_of(config: ForecastConfig, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.RandomState(seed)  # the same numbers in all versions of numpy
    return {name: rng.uniform(-0.5, 0.5, shape) for name, shape in config.shapes().items()}


def tokens_of(config: ForecastConfig, steps: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(config.size, size=(steps, config.books))


def chances(forecast: Forecast, tokens: np.ndarray) -> np.ndarray:
    """Of every value of every book of every step, [steps, books, size]."""
    stream = forecast.open(tokens.shape[1])
    found = []
    for step in tokens:
        found.append([stream.chances(book, step[:book]) for book in range(len(step))])
        stream.take(step)
    return np.array(found)


@settings(max_examples=20)
@given(seeds)
def test_sums_are_exact_in_any_order(seed: int) -> None:
    """Inner units in another order are other sums: with one rounding among them the bits would differ."""
    weights, tokens = weights_of(SMALL, seed), tokens_of(SMALL, 12, seed)
    other, rng = dict(weights), np.random.RandomState(seed)
    for layer in range(SMALL.layers):
        order = rng.permutation(SMALL.inner)
        other[f"{layer}.up"] = weights[f"{layer}.up"][:, order]
        other[f"{layer}.down"] = weights[f"{layer}.down"][order]
    order = rng.permutation(SMALL.width)
    for name in ("ahead", "within"):
        other[name] = weights[name][:, :, order]
    other["scores"] = weights["scores"][:, order]
    one, two = (chances(Forecast(SMALL, held), tokens) for held in (weights, other))
    assert np.array_equal(one, two)


def test_the_same_weights_give_the_same_bits_on_every_machine() -> None:
    found = chances(Forecast(SMALL, weights_of(SMALL)), tokens_of(SMALL, 40))
    assert hashlib.sha256((found / FINE).astype("<i8").tobytes()).hexdigest()[:32] == GOLDEN


@given(st.lists(st.floats(-80, 0), min_size=1, max_size=20))
def test_powers_of_two_are_right_and_on_their_grid(exponents: list[float]) -> None:
    x = np.array(exponents)
    found = power(x)
    np.testing.assert_allclose(found, 2.0**x, atol=2e-5)
    assert np.array_equal(found / FINE, np.rint(found / FINE))
    assert power(np.zeros(1))[0] == 1


@given(seeds, st.integers(1, 4 * SMALL.window))
def test_it_says_what_the_network_that_was_trained_says(seed: int, steps: int) -> None:
    """In streams shorter than what it looks back to, as long, and longer."""
    network = ForecastNetwork(SMALL, seed)
    tokens = tokens_of(SMALL, steps, seed)
    with torch.no_grad():
        wanted = network(torch.from_numpy(tokens)[None], torch.tensor([SMALL.books]))[0].numpy()
    found = chances(Forecast(SMALL, {n: w.float().numpy() for n, w in network.plain().items()}), tokens)
    chosen = np.take_along_axis(found, tokens[..., None], -1)[..., 0] / found.sum(-1)
    np.testing.assert_allclose(-np.log2(chosen), wanted, atol=0.05)


@settings(max_examples=20)
@given(seeds)
def test_what_is_beyond_its_context_is_forgotten_to_the_last_bit(seed: int) -> None:
    """Each layer looks back at `window` steps of the one before."""
    reach = SMALL.layers * (SMALL.window - 1) + 1
    tokens = tokens_of(SMALL, reach + 6, seed)
    other = tokens.copy()
    other[:3] = (tokens[:3] + 1) % SMALL.size
    one, two = (chances(Forecast(SMALL, weights_of(SMALL, seed)), given) for given in (tokens, other))
    assert not np.array_equal(one[3], two[3])
    assert np.array_equal(one[3 + reach :], two[3 + reach :])


def test_it_begins_with_the_entries_and_what_goes_on() -> None:
    """Latents that hardly move, in books of their own: without training the next step is already likely."""
    rng = np.random.default_rng(0)
    entries = torch.from_numpy(rng.standard_normal((3, 32, 16)) / [[[1]], [[2]], [[4]]]).float()
    moved = 0.05 * torch.from_numpy(rng.standard_normal((8, 40, 16))).float().cumsum(1)
    rest, found = torch.from_numpy(rng.standard_normal((8, 1, 16))).float() + moved, []
    for book in entries:
        found.append(torch.cdist(rest, book[None].expand(8, -1, -1)).argmin(-1))
        rest = rest - book[found[-1]]
    data = torch.stack(found, -1).numpy().astype(np.int16)
    network = ForecastNetwork(SMALL)
    with torch.no_grad():
        before = network(torch.from_numpy(data.astype(np.int64)), torch.full((8,), 3)).mean()
        network.fit(entries, data)
        after = network(torch.from_numpy(data.astype(np.int64)), torch.full((8,), 3)).mean()
    assert after < before - 1


def test_fewer_books_are_forecast_as_training_meant_them() -> None:
    network, tokens = ForecastNetwork(SMALL, 3), tokens_of(SMALL, 9)
    with torch.no_grad():
        wanted = network(torch.from_numpy(tokens)[None], torch.tensor([2]))[0, :, :2].numpy()
    found = chances(Forecast(SMALL, {n: w.float().numpy() for n, w in network.plain().items()}), tokens[:, :2])
    chosen = np.take_along_axis(found, tokens[:, :2, None], -1)[..., 0] / found.sum(-1)
    np.testing.assert_allclose(-np.log2(chosen), wanted, atol=0.05)


@needs_coder
@settings(max_examples=15)
@given(st.integers(0, 4 * SMALL.window), st.integers(1, 3), seeds)
def test_what_is_coded_with_a_forecast_comes_back(steps: int, books: int, seed: int) -> None:
    forecast = Forecast(SMALL, weights_of(SMALL, seed))
    tokens = tokens_of(SMALL, steps, seed)[:, :books]
    data = encode(tokens, SMALL.size, forecast)
    assert np.array_equal(decode(data, steps, books, SMALL.size, forecast), tokens)


def ruled(count: int, steps: int, config: ForecastConfig, seed: int) -> np.ndarray:
    """Codes [count, steps, books] whose first book counts on, and whose others follow from the first."""
    rng = np.random.default_rng(seed)
    first = (rng.integers(config.size, size=(count, 1)) + 5 * np.arange(steps)) % config.size
    return np.stack([(first * (book + 1) + 3 * book) % config.size for book in range(config.books)], -1).astype(
        np.int16
    )


@needs_coder
def test_it_learns_rules_that_counting_does_not_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.training.residual.forecast.STEPS", 24)
    config = replace(SMALL, width=32, inner=32)
    network, data = ForecastNetwork(config), ruled(64, 30, config, 0)
    train(network, data, 250, 2.0)
    save(network, tmp_path / "x.safetensors")
    forecast, unseen = Forecast.read(tmp_path / "x.safetensors"), ruled(1, 60, config, 1)[0]
    with_it, without = (len(encode(unseen, config.size, given)) for given in (forecast, None))
    assert with_it < 0.5 * without


def test_a_steps_batch_is_that_of_its_number() -> None:
    data = ruled(4, 300, SMALL, 0)
    one, two = draw(data, 3, 3), draw(data, 3, 3)
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])


def test_what_is_no_forecast_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(CodecError, match=r'"x.safetensors" holds no forecast'):
        Forecast.read(tmp_path / "x.safetensors")
    with pytest.raises(CodecError, match="tensor embed is not of the shape"):
        Forecast(SMALL, {})
    with pytest.raises(CodecError, match="a forecast of 3 books says nothing of 4"):
        Forecast(SMALL, weights_of(SMALL)).open(4)


@given(st.floats(-200, 200))
def test_the_grid_is_exact(x: float) -> None:
    found = on_grid(np.array([x]))
    assert abs(found[0] - np.clip(x, -64, 64)) <= GRID / 2
    assert found[0] / GRID == np.rint(found[0] / GRID)


GOLDEN = "fb5dcdd0e999e51d219d2d5ad8cd82cd"
