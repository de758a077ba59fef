"""Bends: each does what its help says."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.codec import DecoderControls, Frame
from models.load import load
from models.pcm import Pcm
from models.registry import FAMILIES
from realtime.bends import registry
from realtime.bends.fsq_grid import grid_of
from realtime.bends.latents import CHANNELS
from realtime.worker.codec_lane import CodecLane
from realtime.worker.messages import ParameterChange
from tests.support.bent_frames import CODEC, GIVEN, GRID, SPEC, bent, chain, frames, latents, tokens
from tests.support.lockstep import noise
from tests.support.osc_rig import PATIENCE_S, Rig, only
from tests.support.small_codec import family, small_codec

DEFAULTS = {control.name: control.default for control in registry.controls()}


def test_the_grid_equals_that_of_the_codec() -> None:
    network = small_codec("tiny").network
    codes = torch.from_numpy(latents(GIVEN))
    assert np.array_equal(GRID.tokens(latents(GIVEN)), network.fsq.tokens(codes).numpy())
    assert np.array_equal(GRID.codes(tokens(GIVEN)), network.fsq.codes(torch.from_numpy(tokens(GIVEN))).numpy())
    assert grid_of(small_codec("patched").spec) is None  # levels 8, 5, 3
    assert grid_of(load("opus:24").spec) is None


def test_freeze_repeats_one_frame_until_it_is_off() -> None:
    made = chain(freeze__on=True)
    assert all(made.bend(frame, DecoderControls(), None)[0] is GIVEN[0] for frame in GIVEN[:10])
    made.set("freeze.on", False)
    assert made.bend(GIVEN[10], DecoderControls(), None)[0] is GIVEN[10]
    made.set("freeze.on", True)
    assert made.bend(GIVEN[11], DecoderControls(), None)[0] is GIVEN[11]


def test_a_living_freeze_leaves_the_noise_alone_and_a_dead_one_repeats_it_every_second_frame() -> None:
    living, dead = chain(freeze__on=True), chain(freeze__on=True, freeze__mode="dead")
    assert [living.bend(f, DecoderControls(seed=7), None)[1].seed for f in GIVEN[:4]] == [7] * 4
    seeds = [dead.bend(f, DecoderControls(seed=7), None)[1].seed for f in GIVEN[:6]]
    assert len(set(seeds)) == 2
    assert seeds[:2] * 3 == seeds


def test_hold_plays_every_nth_frame_n_times() -> None:
    assert [f.index for f in bent(GIVEN[:7], hold__frames=3)] == [0, 0, 0, 3, 3, 3, 6]


def test_stutter_loops_the_latest_frames() -> None:
    made = chain()
    for frame in GIVEN[:5]:
        made.bend(frame, DecoderControls(), None)
    made.set("stutter.frames", 3)
    assert [made.bend(f, DecoderControls(), None)[0].index for f in GIVEN[5:12]] == [3, 4, 5, 3, 4, 5, 3]


def test_stutter_with_a_short_history_loops_all_of_it() -> None:
    assert [f.index for f in bent(GIVEN[:4], stutter__frames=8)] == [0, 0, 0, 0]


def test_mosh_plays_whole_frames_of_the_past() -> None:
    assert [f.index for f in bent(GIVEN[:6], mosh__probability=1, mosh__back=2)] == [0, 1, 0, 1, 2, 3]


@pytest.mark.parametrize("fill", ["zero", "previous", "random"])
def test_mask_replaces_tokens_of_its_range_and_no_others(fill: str) -> None:
    out = bent(GIVEN, mask__probability=1, mask__first=3, mask__last=5, mask__fill=fill)[1:]
    kept = [i for i in range(SPEC.tokens) if not 3 <= i <= 5]
    assert np.array_equal(tokens(out)[:, kept], tokens(GIVEN)[1:, kept])
    assert np.array_equal(latents(out)[:, kept], latents(GIVEN)[1:, kept])
    masked = tokens(out)[:, 3:6]
    if fill == "zero":
        assert not latents(out)[:, 3:6].any()
        assert (masked == GRID.tokens(np.zeros(4, np.float32))).all()
    elif fill == "previous":
        assert np.array_equal(masked, tokens(GIVEN)[:-1, 3:6])
    else:
        assert np.array_equal(GRID.codes(masked), latents(out)[:, 3:6])


def test_mask_replaces_about_as_many_tokens_as_its_probability() -> None:
    out = bent(frames(400), mask__probability=0.25)
    assert 0.2 < (tokens(out) != tokens(frames(400))).mean() < 0.3


def test_swap_replaces_the_same_tokens_by_those_of_n_frames_ago() -> None:
    out = bent(GIVEN, swap__amount=0.5, swap__back=4)
    moved = (tokens(out)[4:] != tokens(GIVEN)[4:]).any(axis=0)
    assert moved.sum() == SPEC.tokens // 2
    assert np.array_equal(tokens(out)[4:, moved], tokens(GIVEN)[:-4, moved])


def test_swap_replaces_tokens_by_those_of_the_other_slot() -> None:
    made, other = chain(swap__amount=1.0, swap__source="other"), frames(1, seed=9)[0]
    assert np.array_equal(made.bend(GIVEN[0], DecoderControls(), other)[0].tokens, other.tokens)
    assert made.bend(GIVEN[1], DecoderControls(), None)[0].tokens is GIVEN[1].tokens


def test_bias_scale_and_invert_work_by_channel_before_the_bound() -> None:
    vector = [0.0] * CHANNELS
    vector[5] = 1.0
    (out,) = bent(GIVEN[:1], bias=vector)
    before, after = latents(GIVEN[:1])[0].reshape(-1), latents([out])[0].reshape(-1)
    assert after[5] == pytest.approx(math.tanh(math.atanh(before[5]) + 1.0), abs=1e-5)
    assert np.array_equal(np.delete(after, 5), np.delete(before, 5))
    assert np.allclose(latents(bent(GIVEN, invert=1)), -latents(GIVEN), atol=1e-5)
    assert not latents(bent(GIVEN, scale=0)).any()


def test_macros_find_the_directions_in_which_the_latents_vary_most() -> None:
    rng, made = np.random.default_rng(0), chain(macro__learn=True)
    first, second = np.eye(64)[3], np.eye(64)[40]
    for index in range(300):
        values = 0.6 * rng.standard_normal() * first + 0.2 * rng.standard_normal() * second
        codes = np.tanh(values + 0.01 * rng.standard_normal(64)).reshape(16, 4).astype(np.float32)
        frame = Frame(index, GRID.tokens(codes), codes, 1.0)
        assert made.bend(frame, DecoderControls(), None)[0] is frame
    made.set("macro.learn", False)
    made.reset()
    made.set("macro.move", (1.0,) + (0.0,) * 7)
    given = Frame(0, GRID.tokens(np.zeros((16, 4), np.float32)), np.zeros((16, 4), np.float32), 1.0)
    moved = np.arctanh(latents([made.bend(given, DecoderControls(), None)[0]])).reshape(-1)
    assert moved == pytest.approx(0.6 * first, abs=0.08)
    made.set("macro.move", (0.0, 1.0) + (0.0,) * 6)
    moved = np.arctanh(latents([made.bend(given, DecoderControls(), None)[0]])).reshape(-1)
    assert moved == pytest.approx(0.2 * second, abs=0.08)


def test_macros_without_anything_learned_change_nothing() -> None:
    assert all(a is b for a, b in zip(bent(GIVEN, macro__move=2.0), GIVEN, strict=True))


def test_a_bent_latent_moves_the_tokens_with_it() -> None:
    for out in bent(GIVEN, noise=0.5):
        assert out.latent is not None
        assert np.array_equal(out.tokens, GRID.tokens(out.latent))


@pytest.mark.parametrize("count", [9, 7, 5, 3, 2])
def test_levels_leave_as_many_values_and_count_their_bits(count: int) -> None:
    made = chain(levels=str(count))
    out = [made.bend(frame, DecoderControls(), None)[0] for frame in GIVEN]
    assert len(np.unique(latents(out).round(5))) == count
    assert np.abs(latents(out) - latents(GIVEN)).max() <= 1 / (count - 1) + 1e-6
    assert out[0].bits == pytest.approx(SPEC.tokens * 4 * math.log2(count))
    assert made.rounded


def test_the_bitrate_of_a_slot_with_fewer_levels_is_shown() -> None:
    lane = CodecLane(CODEC, [(0, "continuous")], SPEC.sample_rate)
    lane.chains[0].enqueue(ParameterChange(0, "bend.levels", "3"))
    lane.process(noise(2 * SPEC.hop).T)
    assert lane.chains[0].mean_bits_per_frame == pytest.approx(SPEC.tokens * 4 * math.log2(3))


def test_blend_goes_from_the_continuous_latent_to_the_discrete_one() -> None:
    discrete = GRID.codes(tokens(GIVEN))
    assert np.allclose(latents(bent(GIVEN, blend=1)), discrete, atol=1e-6)
    assert np.allclose(latents(bent(GIVEN, blend=0.5)), (latents(GIVEN) + discrete) / 2, atol=1e-6)
    assert all(a is b for a, b in zip(bent(GIVEN, "discrete", blend=1), GIVEN, strict=True))


def test_a_snapshot_is_mixed_in_and_stored_again_by_a_new_number() -> None:
    made = chain(snapshot__store=1)
    made.bend(GIVEN[0], DecoderControls(), None)
    made.set("snapshot.mix", 1.0)
    assert np.array_equal(latents([made.bend(GIVEN[1], DecoderControls(), None)[0]])[0], latents(GIVEN)[0])
    made.set("snapshot.store", 2)
    made.bend(GIVEN[2], DecoderControls(), None)
    assert np.array_equal(latents([made.bend(GIVEN[3], DecoderControls(), None)[0]])[0], latents(GIVEN)[2])
    made.set("snapshot.mix", 0.5)
    (half,) = latents([made.bend(GIVEN[3], DecoderControls(), None)[0]])
    between = (np.arctanh(latents(GIVEN)[2]) + np.arctanh(latents(GIVEN)[3])) / 2
    assert np.allclose(half, np.tanh(between), atol=1e-4)


def test_lost_frames_come_in_bursts_of_the_length_of_the_gilbert_elliott_model() -> None:
    given = frames(3000)
    out = bent(given, loss__enter=0.05, loss__leave=0.25, loss__conceal="zero")
    lost = ~latents(out).any(axis=(1, 2))
    bursts = np.flatnonzero(np.diff(np.concatenate([[0], lost.astype(int), [0]]))).reshape(-1, 2)
    assert lost.mean() == pytest.approx(0.05 / 0.30, abs=0.04)
    assert (bursts[:, 1] - bursts[:, 0]).mean() == pytest.approx(4.0, abs=0.8)


def test_lost_frames_are_held_or_extrapolated_or_silent() -> None:
    for conceal in ("hold", "zero", "interpolate"):
        made = chain(loss__conceal=conceal, loss__enter=0)
        made.set("loss.token", 1e-12)  # on, and losing nothing
        for frame in GIVEN[:3]:
            assert np.array_equal(latents([made.bend(frame, DecoderControls(), None)[0]]), latents([frame]))
        made.set("loss.enter", 1.0)
        (out,) = latents([made.bend(GIVEN[3], DecoderControls(), None)[0]])
        a, b = latents(GIVEN)[1], latents(GIVEN)[2]
        wanted = {"hold": b, "zero": 0 * b, "interpolate": (b + 0.5 * (b - a)).clip(-1, 1)}[conceal]
        assert np.allclose(out, wanted, atol=1e-6)


def test_lost_tokens_are_concealed_one_by_one() -> None:
    out = bent(frames(200), loss__token=0.3)
    assert (tokens(out)[1:] != tokens(frames(200))[1:]).mean() == pytest.approx(0.3, abs=0.05)


def test_generations_equal_encoding_the_output_again() -> None:
    lane = CodecLane(Pcm(hop=960, lookahead=100), [(0, "discrete")], 48_000)
    lane.chains[0].enqueue(ParameterChange(0, "bend.generations", 3))
    x = noise(9600).T
    out = np.concatenate([audio for _, audio in lane.process(x)], axis=1)
    assert np.array_equal(out[:, 300:], x[:, : out.shape[1] - 300])


def test_bends_are_played_by_osc_and_tokens_and_latents_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "small", family("small", lambda: small_codec("tiny")))
    rig = Rig("small", "small")
    try:
        rig.ask("/verdigris/subscribe", "tokens")
        rig.ask("/verdigris/subscribe", "latents")
        rig.ask("/verdigris/a/bend/bias/0[0-3]", 1.5)
        assert rig.engine.parameters["a.bend.bias"][:5] == (1.5, 1.5, 1.5, 1.5, 0.0)
        rig.ask("/verdigris/a/bend/biasn", 4, 2, 0.5, 0.25)
        assert only(rig.ask("/verdigris/a/bend/bias/05"), "/verdigris/a/bend/bias/05") == (0.25,)
        rig.ask("/verdigris/a/bend/mask/probability", 1)
        answers, deadline = rig.play(20), time.monotonic() + PATIENCE_S
        sent: list[Any] = []
        while not sent and time.monotonic() < deadline:
            answers += rig.settle()
            sent = [m.args for m in answers if m.address == "/verdigris/out/tokens"]
        assert sent
        assert all(len(args) == 2 + SPEC.tokens and args[1] == 0 for args in sent)
        assert set(sent[-1][4:]) == {int(GRID.tokens(np.zeros(4, np.float32)))}  # the first two are biased
        assert any(m.address == "/verdigris/out/b/latents" for m in answers)
        assert "runs your own code" in only(rig.ask("/verdigris/a/bend/file", "/x.py"), "/verdigris/error")[1]
    finally:
        rig.close()


def test_frames_of_other_sizes_from_the_other_slot_are_ignored() -> None:
    made = chain(swap__amount=1.0, swap__source="other")
    odd = replace(GIVEN[0], tokens=np.zeros(3, np.int32), latent=None)
    assert made.bend(GIVEN[0], DecoderControls(), odd)[0] is GIVEN[0]
