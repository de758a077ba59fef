"""Products by packed weights are torch's own, and are made once for all streams."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from models.kernels import race
from models.residual import packed_products
from models.residual.packed_products import PackedLinear, WeightCache
from models.residual.streaming_conv import Conv
from models.residual.streaming_lstm import Lstm

torch.set_num_threads(1)
FORMS = (
    *(packed_products.PACKED, packed_products.PLAIN, packed_products.TRANSPOSED),
    *(packed_products.STREAMED, packed_products.SUMS),
)
needs_packing = pytest.mark.skipif(not packed_products.packing_available(), reason="this torch has no packed products")


@given(st.integers(0, 9), st.integers(1, 1200), st.integers(1, 700), st.booleans())
def test_a_product_is_exact_up_to_rounding(rows: int, inputs: int, outputs: int, biased: bool) -> None:
    generator = torch.Generator().manual_seed(inputs)
    weight = torch.randn(outputs, inputs, generator=generator) / inputs**0.5
    bias = torch.randn(outputs, generator=generator) if biased else None
    x = torch.randn(rows, inputs, generator=generator)
    found = PackedLinear(weight, bias)(x)
    exact = F.linear(x.double(), weight.double(), None if bias is None else bias.double())
    size = F.linear(x.abs(), weight.abs(), None if bias is None else bias.abs())  # what rounding is relative to
    assert found.shape == exact.shape
    assert ((found - exact).abs() <= 8 * torch.finfo(torch.float32).eps * size).all()


def test_weights_that_lie_otherwise_in_memory_are_taken_as_they_are() -> None:
    weight, x = torch.randn(700, 900).T, torch.randn(3, 700)
    torch.testing.assert_close(PackedLinear(weight)(x), x @ weight.T, atol=1e-4, rtol=1e-4)


@needs_packing
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", packed_products.SHAPES.values())
@pytest.mark.parametrize("several", [packed_products.PACKED, packed_products.TRANSPOSED])
def test_rows_have_the_same_product_in_every_form(
    monkeypatch: pytest.MonkeyPatch, form: str, several: str, shape: tuple[int, int]
) -> None:
    monkeypatch.setattr(packed_products, "few_rows_form", lambda shape, rows: form)
    monkeypatch.setattr(packed_products, "several_rows_form", lambda: several)
    weight, bias = torch.randn(shape) / shape[1] ** 0.5, torch.randn(shape[0])
    x = torch.randn(6, shape[1])
    for given_bias in (bias, None):
        product = PackedLinear(weight, given_bias)
        first = product(x[:1])
        for rows in (x[:1], x[:3], x):  # all forms of one object agree
            torch.testing.assert_close(product(rows), F.linear(rows, weight, given_bias), atol=1e-4, rtol=1e-4)
        assert torch.equal(product(x[:1]), first)  # whatever was multiplied meanwhile


@needs_packing
def test_a_form_is_found_once_for_a_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    few, several = packed_products.few_rows_form.__wrapped__, packed_products.several_rows_form.__wrapped__
    forms = few("wide", 1), few("tall", 2), several()
    assert {*forms} <= {*FORMS}
    monkeypatch.setattr(race, "race", lambda contenders: pytest.fail("raced again"))
    assert (few("wide", 1), few("tall", 2), several()) == forms


@pytest.mark.parametrize("machine", ["arm64", "aarch64"])
def test_other_processors_multiply_by_torchs_own_product(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(packed_products, "packing_available", packed_products.packing_available.__wrapped__)
    weight, x = torch.randn(900, 700), torch.randn(3, 700)
    assert torch.equal(PackedLinear(weight)(x), F.linear(x, weight))


def test_a_torch_without_the_operators_multiplies_by_its_own_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", None)
    assert not packed_products.packing_available.__wrapped__()


def test_a_layers_product_is_made_once_and_anew_when_its_weights_change() -> None:
    conv = Conv(4, 4, 3).requires_grad_(False)
    assert conv.bias is not None
    conv.weight.fill_(1), conv.bias.zero_()
    first, second = conv.new_stream(), conv.new_stream()
    assert first.product is second.product  # type: ignore[attr-defined]
    x = torch.ones(1, 4)
    assert first(x).tolist() == [[4.0] * 4]
    conv.weight.mul_(2)
    assert conv.new_stream()(x).tolist() == [[8.0] * 4]
    other = copy.deepcopy(conv)
    other.weight.zero_()
    assert other.new_stream()(x).tolist() == [[0.0] * 4]
    assert conv.new_stream()(x).tolist() == [[8.0] * 4]


def test_weights_made_in_inference_mode_have_products_too() -> None:
    with torch.inference_mode():
        weight = torch.ones(2, 2)
        kept: WeightCache[PackedLinear] = WeightCache()
        assert kept([weight], lambda: PackedLinear(weight))(torch.ones(1, 2)).tolist() == [[2.0, 2.0]]


@pytest.mark.parametrize("sizes", [[1] * 12, [5, 0, 7], [12]])
def test_recurrent_layers_in_steps_are_torchs_own(sizes: list[int]) -> None:
    torch.manual_seed(0)
    layer = Lstm(96, 2).requires_grad_(False)
    x = torch.randn(12, 96)
    whole = layer(x.T[None])[0].T
    step = layer.new_stream()
    torch.testing.assert_close(torch.cat([step(part) for part in x.split(sizes)]), whole, atol=1e-6, rtol=0)
