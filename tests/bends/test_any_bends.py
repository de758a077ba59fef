"""Bends in any combination: neutral ones change nothing, and none can do harm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codec import DecoderControls
from models.load import load
from realtime.bends import registry
from realtime.bends.chain import BendChain
from realtime.bends.context import BendState
from realtime.parameters.bend_rows import rows as bend_rows
from realtime.worker.codec_lane import CodecLane
from realtime.worker.messages import ParameterChange
from tests.support.bent_frames import CODEC, GIVEN, SPEC, bent, chain, latents
from tests.support.lockstep import noise

DEFAULTS = {control.name: control.default for control in registry.controls()}


def test_neutral_bends_return_the_same_frame_object() -> None:
    assert all(a is b for a, b in zip(bent(GIVEN), GIVEN, strict=True))
    everything = {name.replace(".", "__"): value for name, value in DEFAULTS.items()}
    assert all(a is b for a, b in zip(bent(GIVEN, **everything), GIVEN, strict=True))


@pytest.mark.parametrize(
    "bend", [b for b in registry.BENDS if b.name not in ("freeze", "stutter", "levels")], ids=lambda bend: bend.name
)
def test_a_bend_at_its_neutral_settings_keeps_every_bit_when_it_runs_all_the_same(bend: Any) -> None:
    made = chain()
    state = BendState(made.stream)
    params = {control.name.rpartition(".")[2]: control.default for control in bend.controls}
    for frame in GIVEN:
        made.stream.past.append(frame)
        out = bend.function(frame, state, params, np.random.default_rng(0))
        assert np.array_equal(out.tokens, frame.tokens)
        if bend.name != "noise":  # through the bound and back: to rounding
            assert np.array_equal(latents([out]), latents([frame]))


def test_switched_off_bends_keep_their_settings_and_do_nothing() -> None:
    assert all(a is b for a, b in zip(bent(GIVEN, noise=1.0, on=False), GIVEN, strict=True))


@pytest.mark.parametrize("name", ["opus:24", "mp3:128", "pcm:hop=960"])
def test_codecs_without_tokens_lose_and_freeze_packets_and_ignore_other_bends(name: str) -> None:
    codec = load(name, rate=48_000)
    made = CodecLane(codec, [(0, "discrete")], 48_000)
    for setting, value in (
        ("noise", 4.0),
        ("mask.probability", 1.0),
        ("levels", "2"),
        ("blend", 1.0),
        ("swap.amount", 1.0),
    ):
        made.chains[0].enqueue(ParameterChange(0, "bend." + setting, value))
    plain, x = CodecLane(codec, [(0, "discrete")], 48_000), noise(20_000).T
    assert np.array_equal(made.process(x)[5][1], plain.process(x)[5][1])
    made.chains[0].enqueue(ParameterChange(0, "bend.loss.enter", 1.0))
    made.chains[0].enqueue(ParameterChange(0, "bend.loss.leave", 0.01))
    made.chains[0].enqueue(ParameterChange(0, "bend.loss.conceal", "zero"))
    made.process(x)
    assert np.abs(made.process(x)[-1][1]).max() < 1e-3


def test_the_same_settings_and_seed_give_the_same_frames_and_another_seed_others() -> None:
    everything: dict[str, Any] = {"noise": 0.5, "mask__probability": 0.3, "mosh__probability": 0.3, "loss__enter": 0.2}
    first, again, other = (bent(GIVEN, seed=seed, **everything) for seed in (1, 1, 2))
    assert np.array_equal(latents(first), latents(again))
    assert not np.array_equal(latents(first), latents(other))


def random_settings(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in bend_rows("a"):
        name = row.name.removeprefix("a.bend.")
        if row.local or not draw(st.booleans()):
            continue
        if row.choices:
            found[name] = draw(st.sampled_from(row.choices))
        elif row.kind is str:  # the order
            found[name] = " ".join(draw(st.permutations([bend.name for bend in registry.BENDS])))
        elif row.kind is bool and not row.size:
            found[name] = draw(st.booleans())
        else:
            assert row.low is not None
            assert row.high is not None
            high = 1 if name == "generations" else row.high
            found[name] = row.parse(row.kind(draw(st.floats(row.low, high))))
    return found


SETTINGS = st.composite(random_settings)()


@settings(max_examples=200)
@given(SETTINGS, st.sampled_from(["continuous", "discrete"]))
def test_no_settings_make_a_frame_that_cannot_be_decoded(chosen: dict[str, Any], path: str) -> None:
    made = chain(path)
    for name, value in chosen.items():
        if name != "generations":
            made.set(name, value)
    for frame in GIVEN[:12]:
        out, _ = made.bend(frame, DecoderControls(), GIVEN[20])
        assert out.latent is not None
        assert out.latent.dtype == np.float32
        assert np.abs(out.latent).max() <= 1.0
        assert out.tokens.dtype == np.int32
        assert 0 <= out.tokens.min() <= out.tokens.max() < SPEC.cardinality


@pytest.mark.timeout(300)
@pytest.mark.slow
@settings(max_examples=1000)
@given(SETTINGS, st.sampled_from(["continuous", "discrete"]))
def test_a_thousand_random_settings_make_no_nan_and_nothing_over_the_limiter(chosen: dict[str, Any], path: str) -> None:
    lane = CodecLane(CODEC, [(0, path)], SPEC.sample_rate)
    for name, value in chosen.items():
        lane.chains[0].enqueue(ParameterChange(0, "bend." + name, value))
    out = np.concatenate([audio for _, audio in lane.process(noise(4 * SPEC.hop).T)], axis=1)
    assert lane.chains[0].bad_samples == 0
    assert np.abs(out).max() <= 1.0


def test_a_bend_without_effect_on_the_codec_is_reported_once() -> None:
    lines: list[str] = []
    made = BendChain(load("opus:24", rate=48_000), 0, "discrete", lines.append)
    for amount in (0.5, 0.7):
        made.set("swap.amount", amount)
        made.set("hold.frames", 2)  # this one does
    assert lines == ["bend swap does nothing to opus:24: it has no tokens and no latents. Use a network."]
