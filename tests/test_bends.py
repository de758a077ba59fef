"""Bends: neutral ones change nothing, each does what it says, none can do harm."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codec import Codec, Controls, Frame
from models.load import FAMILIES, load
from models.pcm import Pcm
from realtime import bend_params
from realtime.bends.chain import BENDS, DEFAULTS, Chain
from realtime.bends.grid import Grid, grid_of
from realtime.lane import Lane
from realtime.news import Change
from realtime.params import PARAMETERS
from tests.lockstep import noise
from tests.osc_rig import PATIENCE_S, Rig, only
from tests.small_codec import small_codec

CODEC: Codec = small_codec("tiny")
SPEC = CODEC.spec
GRID = Grid(11, 4)


def frames(count: int, seed: int = 0) -> list[Frame]:
    """Such as CODEC encodes."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        codes = rng.uniform(-0.99, 0.99, SPEC.latent).astype(np.float32)
        made.append(Frame(index, GRID.tokens(codes), codes, SPEC.tokens * math.log2(SPEC.cardinality)))
    return made


def chain(path: str = "continuous", **settings: Any) -> Chain:
    """A chain of CODEC with these settings; a dot is written as two underscores."""
    made = Chain(CODEC, 0, path, lambda line: None)
    for name, value in settings.items():
        row = PARAMETERS["a.bend." + name.replace("__", ".")]
        made.set(name.replace("__", "."), row.parse(value))
    return made


def bent(given: list[Frame], path: str = "continuous", **settings: Any) -> list[Frame]:
    made = chain(path, **settings)
    return [made.bend(frame, Controls(), None)[0] for frame in given]


def latents(given: list[Frame]) -> np.ndarray:
    return np.stack([frame.latent for frame in given if frame.latent is not None])


def tokens(given: list[Frame]) -> np.ndarray:
    return np.stack([frame.tokens for frame in given])


GIVEN = frames(40)


def test_the_grid_is_the_codec_s_own() -> None:
    network = small_codec("tiny").network
    codes = torch.from_numpy(latents(GIVEN))
    assert np.array_equal(GRID.tokens(latents(GIVEN)), network.fsq.tokens(codes).numpy())
    assert np.array_equal(GRID.codes(tokens(GIVEN)), network.fsq.codes(torch.from_numpy(tokens(GIVEN))).numpy())
    assert grid_of(small_codec("patched").spec) is None  # levels 8, 5, 3
    assert grid_of(load("opus:24").spec) is None


def test_neutral_bends_give_back_the_very_frame() -> None:
    assert all(a is b for a, b in zip(bent(GIVEN), GIVEN, strict=True))
    everything = {name.replace(".", "__"): value for name, value in DEFAULTS.items()}
    assert all(a is b for a, b in zip(bent(GIVEN, **everything), GIVEN, strict=True))


@pytest.mark.parametrize(
    "bend", [b for b in BENDS if b.name not in ("freeze", "stutter", "levels")], ids=lambda bend: bend.name
)
def test_a_bend_at_its_neutral_settings_keeps_every_bit_when_it_runs_all_the_same(bend: Any) -> None:
    made = chain()
    params = {key.rpartition(".")[2]: DEFAULTS[key] for key in bend.params}
    for frame in GIVEN:
        made.stream.past.append(frame)
        out = bend.run(frame, made._state(bend.name), params, np.random.default_rng(0))
        assert np.array_equal(out.tokens, frame.tokens)
        if bend.name != "noise":  # through the bound and back: to rounding
            assert np.array_equal(latents([out]), latents([frame]))


def test_switched_off_bends_keep_their_settings_and_do_nothing() -> None:
    assert all(a is b for a, b in zip(bent(GIVEN, noise=1.0, on=False), GIVEN, strict=True))


def test_freeze_goes_on_with_one_frame_until_it_is_let_go() -> None:
    made = chain(freeze__on=True)
    assert all(made.bend(frame, Controls(), None)[0] is GIVEN[0] for frame in GIVEN[:10])
    made.set("freeze.on", False)
    assert made.bend(GIVEN[10], Controls(), None)[0] is GIVEN[10]
    made.set("freeze.on", True)
    assert made.bend(GIVEN[11], Controls(), None)[0] is GIVEN[11]


def test_a_living_freeze_leaves_the_noise_alone_and_a_dead_one_repeats_it_every_second_frame() -> None:
    living, dead = chain(freeze__on=True), chain(freeze__on=True, freeze__mode="dead")
    assert [living.bend(f, Controls(seed=7), None)[1].seed for f in GIVEN[:4]] == [7] * 4
    seeds = [dead.bend(f, Controls(seed=7), None)[1].seed for f in GIVEN[:6]]
    assert len(set(seeds)) == 2
    assert seeds[:2] * 3 == seeds


def test_hold_plays_every_nth_frame_n_times() -> None:
    assert [f.index for f in bent(GIVEN[:7], hold__frames=3)] == [0, 0, 0, 3, 3, 3, 6]


def test_stutter_loops_the_latest_frames() -> None:
    made = chain()
    for frame in GIVEN[:5]:
        made.bend(frame, Controls(), None)
    made.set("stutter.frames", 3)
    assert [made.bend(f, Controls(), None)[0].index for f in GIVEN[5:12]] == [3, 4, 5, 3, 4, 5, 3]


def test_stutter_before_there_is_enough_loops_what_there_is() -> None:
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


def test_mask_by_chance_replaces_about_as_many_as_it_says() -> None:
    out = bent(frames(400), mask__probability=0.25)
    assert 0.2 < (tokens(out) != tokens(frames(400))).mean() < 0.3


def test_swap_takes_the_same_places_from_so_many_frames_ago() -> None:
    out = bent(GIVEN, swap__amount=0.5, swap__back=4)
    moved = (tokens(out)[4:] != tokens(GIVEN)[4:]).any(axis=0)
    assert moved.sum() == SPEC.tokens // 2
    assert np.array_equal(tokens(out)[4:, moved], tokens(GIVEN)[:-4, moved])


def test_swap_takes_places_from_the_other_slot() -> None:
    made, other = chain(swap__amount=1.0, swap__source="other"), frames(1, seed=9)[0]
    assert np.array_equal(made.bend(GIVEN[0], Controls(), other)[0].tokens, other.tokens)
    assert made.bend(GIVEN[1], Controls(), None)[0].tokens is GIVEN[1].tokens


def test_bias_scale_and_invert_work_by_channel_before_the_bound() -> None:
    vector = [0.0] * bend_params.CHANNELS
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
        assert made.bend(frame, Controls(), None)[0] is frame
    made.set("macro.learn", False)
    made.reset()
    made.set("macro.move", (1.0,) + (0.0,) * 7)
    given = Frame(0, GRID.tokens(np.zeros((16, 4), np.float32)), np.zeros((16, 4), np.float32), 1.0)
    moved = np.arctanh(latents([made.bend(given, Controls(), None)[0]])).reshape(-1)
    assert moved == pytest.approx(0.6 * first, abs=0.08)
    made.set("macro.move", (0.0, 1.0) + (0.0,) * 6)
    moved = np.arctanh(latents([made.bend(given, Controls(), None)[0]])).reshape(-1)
    assert moved == pytest.approx(0.2 * second, abs=0.08)


def test_macros_without_anything_learned_change_nothing() -> None:
    assert all(a is b for a, b in zip(bent(GIVEN, macro__move=2.0), GIVEN, strict=True))


def test_a_bent_latent_moves_the_tokens_with_it() -> None:
    for out in bent(GIVEN, noise=0.5):
        assert out.latent is not None
        assert np.array_equal(out.tokens, GRID.tokens(out.latent))


@pytest.mark.parametrize("count", [9, 7, 5, 3, 2])
def test_levels_leave_so_few_values_and_say_the_bits(count: int) -> None:
    made = chain(levels=str(count))
    out = [made.bend(frame, Controls(), None)[0] for frame in GIVEN]
    assert len(np.unique(latents(out).round(5))) == count
    assert np.abs(latents(out) - latents(GIVEN)).max() <= 1 / (count - 1) + 1e-6
    assert out[0].bits == pytest.approx(SPEC.tokens * 4 * math.log2(count))
    assert made.rounded


def test_the_bitrate_of_a_slot_with_fewer_levels_is_shown() -> None:
    lane = Lane(CODEC, [(0, "continuous")], SPEC.sample_rate)
    lane.outlets[0].ask(Change(0, "bend.levels", "3"))
    lane.process(noise(2 * SPEC.hop).T)
    assert lane.outlets[0].bits_a_frame == pytest.approx(SPEC.tokens * 4 * math.log2(3))


def test_blend_goes_from_the_continuous_latent_to_the_discrete_one() -> None:
    discrete = GRID.codes(tokens(GIVEN))
    assert np.allclose(latents(bent(GIVEN, blend=1)), discrete, atol=1e-6)
    assert np.allclose(latents(bent(GIVEN, blend=0.5)), (latents(GIVEN) + discrete) / 2, atol=1e-6)
    assert all(a is b for a, b in zip(bent(GIVEN, "discrete", blend=1), GIVEN, strict=True))


def test_a_snapshot_is_gone_to_and_stored_again_by_a_new_number() -> None:
    made = chain(snapshot__store=1)
    made.bend(GIVEN[0], Controls(), None)
    made.set("snapshot.mix", 1.0)
    assert np.array_equal(latents([made.bend(GIVEN[1], Controls(), None)[0]])[0], latents(GIVEN)[0])
    made.set("snapshot.store", 2)
    made.bend(GIVEN[2], Controls(), None)
    assert np.array_equal(latents([made.bend(GIVEN[3], Controls(), None)[0]])[0], latents(GIVEN)[2])
    made.set("snapshot.mix", 0.5)
    (half,) = latents([made.bend(GIVEN[3], Controls(), None)[0]])
    between = (np.arctanh(latents(GIVEN)[2]) + np.arctanh(latents(GIVEN)[3])) / 2
    assert np.allclose(half, np.tanh(between), atol=1e-4)


def test_lost_frames_come_in_bursts_as_long_as_gilbert_and_elliott_say() -> None:
    given = frames(3000)
    out = bent(given, loss__enter=0.05, loss__leave=0.25, loss__conceal="zero")
    lost = ~latents(out).any(axis=(1, 2))
    bursts = np.flatnonzero(np.diff(np.concatenate([[0], lost.astype(int), [0]]))).reshape(-1, 2)
    assert lost.mean() == pytest.approx(0.05 / 0.30, abs=0.04)
    assert (bursts[:, 1] - bursts[:, 0]).mean() == pytest.approx(4.0, abs=0.8)


def test_what_is_lost_is_held_or_extrapolated_or_silent() -> None:
    for conceal in ("hold", "zero", "interpolate"):
        made = chain(loss__conceal=conceal, loss__enter=0)
        made.set("loss.token", 1e-12)  # on, and losing nothing
        for frame in GIVEN[:3]:
            assert np.array_equal(latents([made.bend(frame, Controls(), None)[0]]), latents([frame]))
        made.set("loss.enter", 1.0)
        (out,) = latents([made.bend(GIVEN[3], Controls(), None)[0]])
        a, b = latents(GIVEN)[1], latents(GIVEN)[2]
        wanted = {"hold": b, "zero": 0 * b, "interpolate": (b + 0.5 * (b - a)).clip(-1, 1)}[conceal]
        assert np.allclose(out, wanted, atol=1e-6)


def test_lost_tokens_are_concealed_one_by_one() -> None:
    out = bent(frames(200), loss__token=0.3)
    assert (tokens(out)[1:] != tokens(frames(200))[1:]).mean() == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("name", ["opus:24", "mp3:128", "pcm:hop=960"])
def test_codecs_without_tokens_lose_and_freeze_packets_and_pass_the_rest_over(name: str) -> None:
    codec = load(name, rate=48_000)
    made = Lane(codec, [(0, "discrete")], 48_000)
    for setting, value in (
        ("noise", 4.0),
        ("mask.probability", 1.0),
        ("levels", "2"),
        ("blend", 1.0),
        ("swap.amount", 1.0),
    ):
        made.outlets[0].ask(Change(0, "bend." + setting, value))
    plain, x = Lane(codec, [(0, "discrete")], 48_000), noise(20_000).T
    assert np.array_equal(made.process(x)[5][1], plain.process(x)[5][1])
    made.outlets[0].ask(Change(0, "bend.loss.enter", 1.0))
    made.outlets[0].ask(Change(0, "bend.loss.leave", 0.01))
    made.outlets[0].ask(Change(0, "bend.loss.conceal", "zero"))
    made.process(x)
    assert np.abs(made.process(x)[-1][1]).max() < 1e-3


def test_generations_are_those_of_encoding_the_output_again() -> None:
    lane = Lane(Pcm(hop=960, lookahead=100), [(0, "discrete")], 48_000)
    lane.outlets[0].ask(Change(0, "bend.generations", 3))
    x = noise(9600).T
    out = np.concatenate([audio for _, audio in lane.process(x)], axis=1)
    assert np.array_equal(out[:, 300:], x[:, : out.shape[1] - 300])


def test_the_same_settings_and_seed_give_the_same_frames_and_another_seed_others() -> None:
    everything: dict[str, Any] = {"noise": 0.5, "mask__probability": 0.3, "mosh__probability": 0.3, "loss__enter": 0.2}
    first, again, other = (bent(GIVEN, seed=seed, **everything) for seed in (1, 1, 2))
    assert np.array_equal(latents(first), latents(again))
    assert not np.array_equal(latents(first), latents(other))


def random_settings(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in bend_params.rows("a"):
        name = row.name.removeprefix("a.bend.")
        if row.local or not draw(st.booleans()):
            continue
        if row.choices:
            found[name] = draw(st.sampled_from(row.choices))
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
        out, _ = made.bend(frame, Controls(), GIVEN[20])
        assert out.latent is not None
        assert out.latent.dtype == np.float32
        assert np.abs(out.latent).max() <= 1.0
        assert out.tokens.dtype == np.int32
        assert 0 <= out.tokens.min() <= out.tokens.max() < SPEC.cardinality


@pytest.mark.slow
@settings(max_examples=1000)
@given(SETTINGS, st.sampled_from(["continuous", "discrete"]))
def test_a_thousand_random_settings_make_no_nan_and_nothing_over_the_limiter(chosen: dict[str, Any], path: str) -> None:
    lane = Lane(CODEC, [(0, path)], SPEC.sample_rate)
    for name, value in chosen.items():
        lane.outlets[0].ask(Change(0, "bend." + name, value))
    out = np.concatenate([audio for _, audio in lane.process(noise(4 * SPEC.hop).T)], axis=1)
    assert lane.outlets[0].bad_samples == 0
    assert np.abs(out).max() <= 1.0


GOOD = """
import numpy as np
from dataclasses import replace
def bend(frame, state, params, rng):
    state.kept["count"] = state.kept.get("count", 0) + 1
    return replace(frame, latent=frame.latent * np.float32(params["x"]))
"""


def test_a_bend_of_one_s_own_is_run_and_read_again_when_it_is_saved(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    said: list[str] = []
    file.write_text(GOOD)
    made = Chain(CODEC, 0, "continuous", said.append)
    made.set("file", str(file))
    made.set("user.x", 0.5)
    assert np.array_equal(latents([made.bend(GIVEN[0], Controls(), None)[0]])[0], latents(GIVEN)[0] * np.float32(0.5))
    file.write_text(GOOD.replace('params["x"]', "0.25"))
    out = [made.bend(frame, Controls(), None)[0] for frame in GIVEN[:8]]
    assert np.array_equal(latents(out)[-1], latents(GIVEN)[7] * np.float32(0.25))
    assert not said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def bend(:", "mine.py: line 1: SyntaxError: "),
        ("x = 1", "mine.py: it has no function bend(frame, state, params, rng)"),
        ("def bend(frame, state, params, rng):\n    return 1 / 0", "line 2: ZeroDivisionError: division by zero"),
        ("def bend(frame, state, params, rng):\n    return None", "not a Frame"),
        ("def bend(frame, state, params, rng):\n    import dataclasses\n"
         "    return dataclasses.replace(frame, latent=frame.latent * float('nan'))", "not finite"),
        ("raise SystemExit", "mine.py: line 1: SystemExit"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_bend_of_one_s_own_is_said_once_and_passed_over(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "mine.py"
    lines: list[str] = []
    file.write_text(text)
    made = Chain(CODEC, 0, "continuous", lines.append)
    made.set("file", str(file))
    assert all(made.bend(frame, Controls(), None)[0] is frame for frame in GIVEN)
    assert len(lines) == 1
    assert said in lines[0]


def test_a_bend_of_one_s_own_that_is_not_there_is_said_once(tmp_path: Path) -> None:
    lines: list[str] = []
    made = Chain(CODEC, 0, "continuous", lines.append)
    made.set("file", str(tmp_path / "none.py"))
    assert all(made.bend(frame, Controls(), None)[0] is frame for frame in GIVEN)
    assert len(lines) == 1


def test_a_bend_that_has_nothing_to_work_on_is_said_once() -> None:
    lines: list[str] = []
    made = Chain(load("opus:24", rate=48_000), 0, "discrete", lines.append)
    for amount in (0.5, 0.7):
        made.set("swap.amount", amount)
        made.set("hold.frames", 2)  # this one does
    assert lines == ["bend swap does nothing to opus:24: it has no tokens and no latents. Use a network."]


def test_bends_are_played_by_osc_and_tokens_and_latents_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "small", lambda rest, rate, precision: small_codec("tiny"))
    rig = Rig("small", "small")
    try:
        rig.ask("/verdigris/subscribe", "tokens")
        rig.ask("/verdigris/subscribe", "latents")
        rig.ask("/verdigris/a/bend/bias/0[0-3]", 1.5)
        assert rig.engine.values["a.bend.bias"][:5] == (1.5, 1.5, 1.5, 1.5, 0.0)
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
        assert "runs code" in only(rig.ask("/verdigris/a/bend/file", "/x.py"), "/verdigris/error")[1]
    finally:
        rig.close()


def test_frames_of_other_sizes_from_the_other_slot_are_passed_over() -> None:
    made = chain(swap__amount=1.0, swap__source="other")
    odd = replace(GIVEN[0], tokens=np.zeros(3, np.int32), latent=None)
    assert made.bend(GIVEN[0], Controls(), odd)[0] is GIVEN[0]
