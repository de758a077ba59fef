"""Our bfloat16 kernels against torch's operations in float32, and machines without kernels."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from models import kernels
from models.codicodec import device
from models.codicodec.config import CoDiCodecConfig
from models.codicodec.conv_stacks import GROUP_EPSILON, Block, Downsample, Upsample, groups_of
from models.codicodec.network import CoDiCodecNetwork
from models.codicodec.transformer import LAYER_EPSILON, RMS_EPSILON, layer_norm

torch.set_num_threads(1)

here = pytest.mark.skipif(kernels.library() is None, reason="the kernels need AVX512_BF16 and a C compiler")
multiplied_here = pytest.mark.skipif(not kernels.owns_matmul(32), reason="this CPU multiplies by torch")

SMALL = replace(CoDiCodecConfig.tiny(), channels=(32, 64, 128), width=128, heads=2, mlp_width=96)


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Return normally distributed values that bfloat16 represents exactly."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).bfloat16().float()


def half(x: Tensor) -> Tensor:
    return x.bfloat16().contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x.bfloat16()


def decibels(expected: Tensor, found: Tensor) -> float:
    """Return the ratio of signal to error in dB."""
    error = (expected - found.float()).square().mean()
    return float(10 * torch.log10(expected.square().mean() / error.clamp(min=1e-20)))


def rounded(module: Any) -> Any:
    for weight in module.parameters():
        weight.copy_(weight.bfloat16())
    return module


@multiplied_here
@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 3), rows=st.integers(1, 12), columns=st.integers(1, 9), channels=st.sampled_from((32, 64, 96)),
    injects=st.booleans(), one_scale=st.booleans(),
)  # fmt: skip
def test_a_block_is_its_two_convolutions(
    batch: int, rows: int, columns: int, channels: int, injects: bool, one_scale: bool
) -> None:
    block = rounded(Block(channels, None))
    x, injected = noise(batch, channels, 2 * rows, 2 * columns), noise(batch, channels, 2 * rows, 2 * columns, seed=1)
    scale = 1 + noise(1 if one_scale else batch, channels, seed=2) / 8
    expected = block(x.clone(), scale, injected if injects else None)
    block.pack()
    assert decibels(expected, block(half(x), half(scale), half(injected) if injects else None)) > 40


@multiplied_here
@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 3), rows=st.integers(1, 6), columns=st.integers(1, 5), edge=st.sampled_from((2, 4)),
    has_residual=st.booleans(),
)  # fmt: skip
def test_a_convolution_is_the_same_in_tiles_of_either_size(
    batch: int, rows: int, columns: int, edge: int, has_residual: bool
) -> None:
    weight, affine = noise(64, 64, 3, 3) / 24, torch.rand(batch, 2, 64)
    x, residual = noise(batch, 64, edge * rows, edge * columns, seed=1), noise(batch, 64, edge * rows, edge * columns)
    normed = x * affine[:, 0, :, None, None] + affine[:, 1, :, None, None]
    expected = F.conv2d(normed, weight, padding=1)
    expected = expected + residual if has_residual else F.silu(expected)
    packed = kernels.pack_convolution(weight, edge)
    found = kernels.convolve(half(x), packed, affine, half(residual) if has_residual else None)
    assert decibels(expected, found) > (36 if edge == 4 else 40)


@pytest.mark.parametrize(("size", "edge"), [((1024, 32), 4), ((128, 16), 4), ((64, 8), 2), ((512, 6), 2), ((9, 4), 0)])
def test_large_tiles_are_for_large_maps(size: tuple[int, int], edge: int) -> None:
    assert kernels.tile_size(*size) == edge


@multiplied_here
@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 3), rows=st.integers(1, 100), inner=st.sampled_from((32, 96)), normed=st.booleans(),
    one_scale=st.booleans(), ending=st.sampled_from(("plain", "residual", "gated")),
)  # fmt: skip
def test_a_linear_layer_includes_its_norm_and_its_ending(
    batch: int, rows: int, inner: int, normed: bool, one_scale: bool, ending: str
) -> None:
    x, weight = (1 + noise(batch, rows, inner)).bfloat16().float(), noise(64, inner, seed=1) / 8
    scale = 1 + noise(1 if one_scale else batch, inner, seed=2) / 8 if normed else None
    residual = noise(batch, rows, 64, seed=3) if ending == "residual" else None
    expected = F.linear(x if scale is None else layer_norm(x, scale), weight)
    if ending == "gated":
        gate, value = expected.chunk(2, dim=-1)
        expected = F.silu(gate) * value
    expected = expected if residual is None else expected + residual
    packed = kernels.pack_linear(weight, gated=ending == "gated")
    found = kernels.linear(
        half(x), packed, scale, LAYER_EPSILON, None if residual is None else half(residual), gated=ending == "gated"
    )
    assert decibels(expected, found) > 40


@here
@pytest.mark.parametrize("stride", [(2, 2), (4, 1)])
@pytest.mark.parametrize("kind", [Downsample, Upsample])
def test_a_resampler_is_its_convolution_and_its_mean(kind: type, stride: tuple[int, int]) -> None:
    wide, narrow = 128, 64
    module = rounded(kind(*((narrow, wide) if kind is Downsample else (wide, narrow)), stride))
    x = 1 + noise(2, narrow if kind is Downsample else wide, 8, 4)
    expected = module(x)
    module.pack()
    found = module(half(x))
    assert found.shape == expected.shape
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert decibels(expected, found) > 40


@multiplied_here
@settings(max_examples=15, deadline=None)
@given(batch=st.integers(1, 2), rows=st.integers(1, 100), width=st.sampled_from((32, 96)), remembers=st.booleans())
def test_attention_is_softmax_over_the_past_and_itself(batch: int, rows: int, width: int, remembers: bool) -> None:
    heads = 2
    own, past = noise(batch, rows, 3 * heads * width), noise(batch, rows, 3 * heads * width, seed=1)
    query_gain, key_gain = 1 + noise(2, width, seed=2) / 8

    def parts(x: Tensor) -> tuple[Tensor, ...]:
        query, key, value = x.unflatten(-1, (3, heads, width)).permute(2, 0, 3, 1, 4)
        return (
            F.rms_norm(query, (width,), query_gain, RMS_EPSILON),
            F.rms_norm(key, (width,), key_gain, RMS_EPSILON),
            value,
        )

    query, key, value = parts(own)
    if remembers:
        _, before_key, before_value = parts(past)
        key, value = torch.cat([before_key, key], dim=2), torch.cat([before_value, value], dim=2)
    expected = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    kept, mine = (kernels.split_keys_values(half(x), heads, key_gain, RMS_EPSILON) for x in (past, own))
    queries = kernels.split_queries(half(own), heads, query_gain, RMS_EPSILON)
    assert decibels(expected, kernels.attend(queries, kept if remembers else None, mine, rows)) > 40


@here
def test_a_gate_is_silu_times_value() -> None:
    x = 4 * noise(2, 7, 192)
    gate, value = x.chunk(2, dim=-1)
    assert decibels(F.silu(gate) * value, kernels.swiglu(half(x))) > 50
    extreme = torch.tensor([-1e4, -90.0, 0.0, 90.0, 1e4]).bfloat16().repeat_interleave(32)
    ones = torch.ones_like(extreme)
    found = kernels.swiglu(torch.cat([extreme, ones])[None])[0]
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found.float(), F.silu(extreme.float()), atol=1e-6, rtol=0.01)


@here
def test_a_norms_statistics_are_those_of_its_groups() -> None:
    x = noise(2, 64, 6, 4) + 20  # a mean that is large beside the deviation
    same, affine = kernels.prepare(half(x), None, torch.ones(1, 64), groups_of(64), GROUP_EPSILON)
    found = same.float() * affine[:, 0, :, None, None] + affine[:, 1, :, None, None]
    expected = F.group_norm(same.float(), groups_of(64), eps=GROUP_EPSILON)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


@here
@pytest.mark.parametrize("threads", [1, 2])
def test_a_network_with_kernels_is_as_near_to_float32_as_one_without(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = CoDiCodecNetwork(SMALL).randomise(0)
    exact = device.evaluate(network)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        network.set_precision(torch.bfloat16)
        mine = device.evaluate(network)
    finally:
        torch.set_num_threads(before)
    monkeypatch.setattr(kernels, "library", lambda: None)
    theirs = device.evaluate(CoDiCodecNetwork(SMALL).randomise(0).set_precision(torch.bfloat16))
    for expected, ours, torchs in zip(exact, mine, theirs, strict=True):
        assert decibels(expected, ours) > decibels(expected, torchs) - 2


@here
def test_two_threads_give_the_results_of_one() -> None:
    network = CoDiCodecNetwork(SMALL).randomise(0).set_precision(torch.bfloat16)
    before = torch.get_num_threads()
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        x = half(noise(1, 32, 16, 8))
        block = network.encoder_stack.layers[0]
        assert isinstance(block, Block)
        found.append(block(x, network.encoder_stack.scales(None)[0], x))
    torch.set_num_threads(before)
    assert torch.equal(*found)


def test_without_a_compiler_torch_does_the_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kernels, "_cpu_flags", lambda: frozenset({"avx512_bf16"}))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert kernels.load_library.__wrapped__()[0] is None
    monkeypatch.setattr(kernels, "library", lambda: None)
    network = CoDiCodecNetwork(SMALL).randomise(0).set_precision(torch.bfloat16)
    assert not any(getattr(module, "packed", None) is not None for module in network.modules())
    assert all(torch.isfinite(value).all() for value in device.evaluate(network))


def test_a_cpu_without_the_instructions_compiles_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kernels, "_cpu_flags", lambda: frozenset({"avx2"}))
    assert kernels.load_library.__wrapped__()[0] is None
    assert list(tmp_path.iterdir()) == []


@here
@pytest.mark.slow
def test_damaged_kernels_are_compiled_again_and_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernels.load_library.__wrapped__()[1] == ""
    (made,) = (tmp_path / "verdigris").glob("*.so")
    whole = made.read_bytes()
    made.unlink()  # this process has the old one open
    made.write_bytes(whole[: len(whole) // 2])
    found, remark = kernels.load_library.__wrapped__()
    assert found is not None
    assert "damaged and have been compiled again" in remark
    assert made.read_bytes() == whole
    assert kernels.load_library.__wrapped__()[1] == ""


def test_kernels_that_do_not_compile_are_left_out_and_the_compiler_is_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho 'kernels.c:1: no such luck' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kernels, "_cpu_flags", lambda: frozenset({"avx512_bf16"}))
    monkeypatch.setattr(shutil, "which", lambda name: str(compiler))
    found, remark = kernels.load_library.__wrapped__()
    assert found is None
    assert "no such luck" in remark


def test_a_user_without_a_home_runs_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.setattr(kernels, "_cpu_flags", lambda: frozenset({"avx512_bf16"}))
    assert kernels.load_library.__wrapped__()[0] is None
