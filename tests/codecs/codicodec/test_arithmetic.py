"""Arithmetic of a live frame of the released size, counted on tensors without data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from models.codicodec.config import CoDiCodecConfig
from models.codicodec.network import CoDiCodecNetwork


@torch.inference_mode()
def test_a_live_frame_costs_617_gigaflops_where_the_uncached_one_costs_985() -> None:
    config = CoDiCodecConfig.official()
    with torch.device("meta"):
        network = CoDiCodecNetwork(config).requires_grad_(False)
        noised, sigma = torch.zeros(1, 4, config.bins, config.columns), torch.ones(1)
    network.to("meta")
    spent: dict[str, float] = {}

    def count(what: str, compute: Callable[[], Any]) -> Any:
        with FlopCounterMode(display=False) as counter:
            result = compute()
        spent[what] = counter.get_total_flops() / 1e9
        return result

    codes = count("encoder", lambda: network.encode(noised))
    features = count("features", lambda: network.features(codes))
    condition = network.condition(sigma)
    kept = count("left half kept", lambda: network.prefill_context(noised, condition, features))
    count("right half", lambda: network.denoise_current(noised, condition, features, kept))
    count("left half", lambda: network.denoise_context(noised, condition, features))
    rounded = {what: round(gigaflops, 1) for what, gigaflops in spent.items()}
    assert rounded == {
        "encoder": 98.3,
        "features": 100.3,
        "left half kept": 97.6,
        "right half": 160.6,
        "left half": 150.5,
    }
    two_steps = spent["encoder"] + spent["features"] + spent["left half kept"] + 2 * spent["right half"]
    assert two_steps == pytest.approx(617.4, abs=0.1)
