"""The network: sizes, and the equality of cached and plain context."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.codec import CodecError
from models.codicodec.config import CoDiCodecConfig
from models.codicodec.network import CONTEXT, CURRENT, CoDiCodecNetwork, Condition, Features
from models.codicodec.transformer import Transformer, layer_norm, rms_norm
from tests.support.small_codec import CONFIGS, small_codec

both = pytest.mark.parametrize("name", CONFIGS)
pytestmark = pytest.mark.usefixtures("_no_gradients")


@pytest.fixture
def _no_gradients() -> object:
    with torch.no_grad():
        yield


def inputs(name: str, seed: int, sigma: float = 2.0) -> tuple[Tensor, Condition, Features]:
    network = small_codec(name).network
    generator = torch.Generator().manual_seed(seed)
    noised = torch.randn(1, 4, network.config.bins, network.config.columns, generator=generator)
    codes = 2 * torch.rand(1, network.config.latents, len(network.config.levels), generator=generator) - 1
    return noised, network.condition(torch.tensor([sigma])), network.features(codes)


def masked_pair(transformer: Transformer, left: Tensor, right: Tensor, scales: list[list[Tensor]]) -> Tensor:
    """Reference: both frames as one sequence under a mask, as in the paper."""
    rows = left.shape[1]
    is_right = torch.arange(2 * rows) >= rows
    seen = is_right[:, None] | ~is_right[None, :]

    def norm(x: Tensor, index: int) -> Tensor:
        return torch.cat([layer_norm(x[:, :rows], scales[0][index]), layer_norm(x[:, rows:], scales[1][index])], dim=1)

    x = norm(torch.cat([left, right], dim=1) + transformer.positions.flatten(0, 1), 0)
    for number, layer in enumerate(transformer):
        attention = layer.attention
        qkv = attention.qkv(norm(x, 1 + 2 * number)).unflatten(-1, (3, attention.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # [B, heads, 2N, width / heads] each
        query, key = rms_norm(query, attention.query_gain), rms_norm(key, attention.key_gain)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        x = x + attention.out(mixed.transpose(1, 2).flatten(2))
        gate, value = layer.mlp.widen(norm(x, 2 + 2 * number)).chunk(2, dim=-1)
        x = x + layer.mlp.narrow(F.silu(gate) * value)
    return x


@both
def test_cached_keys_and_values_equal_attention_with_a_mask(name: str) -> None:
    transformer, config = small_codec(name).network.denoiser, small_codec(name).network.config
    generator = torch.Generator().manual_seed(3)
    left, right = torch.randn(2, 1, config.half_rows, config.width, generator=generator)
    scales = [inputs(name, 0, sigma)[1].transformer for sigma in (0.9, 7.0)]
    expected = masked_pair(transformer, left, right, scales)
    every = slice(0, config.half_rows)
    alone, kept = transformer(left, scales[0], CONTEXT, None, every)
    after, _ = transformer(right, scales[1], CURRENT, kept, every)
    torch.testing.assert_close(torch.cat([alone, after], dim=1), expected, atol=1e-5, rtol=0)
    _, only_kept = transformer(left, scales[0], CONTEXT)
    for mine, theirs in zip(only_kept, kept, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


@both
def test_the_last_layer_can_be_computed_for_some_rows_only(name: str) -> None:
    network = small_codec(name).network
    x = torch.randn(2, network.config.half_rows, network.config.width, generator=torch.Generator().manual_seed(4))
    scales = network.encoder.scales(None)
    whole, _ = network.encoder(x, scales, rows=slice(0, network.config.half_rows))
    some, _ = network.encoder(x, scales, rows=slice(3, 9))
    torch.testing.assert_close(some, whole[:, 3:9], atol=1e-5, rtol=0)


@both
def test_a_frame_depends_on_its_context_and_its_codes(name: str) -> None:
    network = small_codec(name).network
    noised, condition, features = inputs(name, 0)
    pasts = [network.prefill_context(*inputs(name, seed)) for seed in (1, 2)]
    estimates = [network.denoise_current(noised, condition, features, past) for past in pasts]
    assert (estimates[0] - estimates[1]).abs().max() > 1e-3
    other = network.denoise_current(noised, condition, inputs(name, 5)[2], pasts[0])
    assert (estimates[0] - other).abs().max() > 1e-2


@both
def test_items_of_a_batch_are_independent(name: str) -> None:
    network = small_codec(name).network
    items = [inputs(name, 0, 0.5), inputs(name, 1, 9.0)]
    condition = Condition.stack([item[1] for item in items])
    features = Features.stack([item[2] for item in items])
    estimates, _ = network.denoise_context(torch.cat([item[0] for item in items]), condition, features)
    for index, item in enumerate(items):
        torch.testing.assert_close(estimates[index : index + 1], network.denoise_context(*item)[0], atol=1e-5, rtol=0)


def test_the_official_frame_is_32768_samples_and_128_tokens() -> None:
    config = CoDiCodecConfig.official()
    assert (config.hop, config.lookahead, config.latents, config.cardinality) == (32768, 1024, 128, 14641)
    assert (config.audio_tokens, config.half_rows) == (512, 648)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"stft_window": 300}, "stft_window 300"),
        ({"blocks": (1, 1)}, "2 blocks"),
        ({"channels": (8, 20, 32)}, r"channels \(8, 20, 32\)"),
        ({"columns": 6}, "does not divide"),
        ({"width": 64}, "width 64"),
        ({"heads": 3}, "heads 3"),
        ({"levels": (11, 1)}, "levels"),
        ({"noise_width": 7}, "noise_width 7"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_by_name(change: dict, complaint: str) -> None:
    with pytest.raises(CodecError, match=complaint):
        replace(CoDiCodecConfig.tiny(), **change)


@both
def test_a_config_survives_its_json(name: str) -> None:
    config = CONFIGS[name]
    assert CoDiCodecConfig.from_json(config.to_json()) == config
    with pytest.raises(CodecError, match="colour"):
        CoDiCodecConfig.from_json(config.to_json().replace('"heads"', '"colour"'))


def test_the_digest_changes_with_any_size() -> None:
    config = CoDiCodecConfig.tiny()
    assert config.digest() != replace(config, registers=3).digest()


@both
@torch.enable_grad()
def test_every_weight_gets_a_gradient_from_a_pair(name: str) -> None:
    network = CoDiCodecNetwork(CONFIGS[name]).randomise(1)
    config = network.config
    left, right = torch.randn(2, 3, 4, config.bins, config.columns, generator=torch.Generator().manual_seed(0))
    sigmas = torch.tensor([0.5, 3.0, 40.0])  # one for each item; reversed for the current frame
    features = [network.features(network.fsq.quantise(network.encode(half))) for half in (left, right)]
    first, kept = network.denoise_context(left, network.condition(sigmas), features[0])
    second = network.denoise_current(right, network.condition(sigmas.flip(0)), features[1], kept)
    (first.square().mean() + second.square().mean()).backward()
    idle = [weight for weight, values in network.named_parameters() if values.grad is None or not values.grad.any()]
    assert idle == []
