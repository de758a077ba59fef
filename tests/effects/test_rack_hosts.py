"""The rack with the real thing in it: LV2 plug-ins, pyo patches, a VST3; and live, in processes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.codec import Audio
from realtime.effects.effect import BLOCK, EffectError, Racks
from realtime.effects.factory import open_rack
from realtime.effects.lilv import Lilv
from realtime.effects.rack import Rack
from realtime.engine.engine import Engine
from realtime.system.platform.folders import vst3_folders
from tests.engine.test_engine import offline, play, start, started  # noqa: F401 - a fixture
from tests.support.desk import Desk
from tests.support.lockstep import noise

pytestmark = [pytest.mark.slow, pytest.mark.rig]

RATE = 48_000
DPL = "lv2:http://gareus.org/oss/lv2/dpl#stereo"  # a limiter, 64 samples late
PATCHES = {
    "reverb": "a = Freeverb(Input([0, 1]), size=0.8, bal=0.2 + 0.6 * x).out()",
    "random": "a = Sine(Randi(200, 800, 5), mul=0.2).out()\nb = Chorus(Input([0, 1])).out()",
    "through": "a = Input([0, 1]).out()",
}


def lv2(uri: str) -> str:
    """An effect that is here, or the test is skipped."""
    try:
        Lilv().plugin(uri.removeprefix("lv2:"))
    except EffectError as error:
        pytest.skip(f"{uri}: {error}")
    return uri


@pytest.fixture
def patch(tmp_path: Path) -> Callable[[str], str]:
    """An effect of one of PATCHES, where there is pyo."""
    if not find_spec("pyo"):
        pytest.skip("pyo has no wheel here")

    def patch(name: str) -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(PATCHES[name])
        return f"pyo:{path}"

    return patch


def vst() -> str:
    """A VST3 effect, where there is one: of the standard folders, or named by VERDIGRIS_TEST_VST3."""
    if not find_spec("pedalboard"):
        pytest.skip("the extra vst is not installed")
    named = os.environ.get("VERDIGRIS_TEST_VST3")
    found = [path for folder in vst3_folders() for path in folder.glob("*.vst3")]
    if not (named or found):
        pytest.skip("no VST3 plug-in here; VERDIGRIS_TEST_VST3 names one")
    return f"vst:{named or found[0]}"


def sound() -> Audio:
    """A second of noise, [2, n]."""
    return np.ascontiguousarray((0.5 * noise(RATE).T).astype(np.float32))


def in_pieces(rack: Rack, x: Audio, most: int) -> Audio:
    rng, at, made = np.random.default_rng(1), 0, []
    while at < x.shape[1]:
        size = int(rng.integers(1, most))
        made.append(rack.process(x[:, at : at + size]))
        at += size
    return np.concatenate(made, axis=1)


def assert_stream_equals_offline(spec: str) -> Audio:
    """Whole, and after a reset in pieces; what it made."""
    x = sound()
    rack = open_rack([spec], RATE, 2, 10.0)
    try:
        whole = rack.process(x)
        assert x.shape[1] - rack.latency == whole.shape[1]
        rack.reset()
        assert np.array_equal(in_pieces(rack, x, 2000), whole)
        assert rack.remarks() == []
    finally:
        rack.close()
    return whole


@pytest.mark.parametrize(
    "uri",
    [
        DPL,
        "lv2:http://gareus.org/oss/lv2/dpl#mono",
        "lv2:http://gareus.org/oss/lv2/fil4#stereo",
        "lv2:http://calf.sourceforge.net/plugins/Reverb",
        "lv2:http://calf.sourceforge.net/plugins/Saturator",
    ],
)
def test_an_lv2_plugin_streams_as_it_renders(uri: str) -> None:
    assert_stream_equals_offline(lv2(uri))


@pytest.mark.parametrize("name", list(PATCHES))
def test_a_pyo_patch_streams_as_it_renders(patch: Callable[[str], str], name: str) -> None:
    assert_stream_equals_offline(patch(name))


def test_a_vst3_streams_as_it_renders() -> None:
    assert_stream_equals_offline(vst())


def test_a_limiter_below_its_threshold_gives_back_the_input_in_place() -> None:
    x = sound()
    assert np.array_equal(assert_stream_equals_offline(lv2(DPL)), x[:, :-64])


def test_a_patch_begins_without_a_ramp_and_has_no_latency(patch: Callable[[str], str]) -> None:
    x = sound()
    assert np.abs(assert_stream_equals_offline(patch("through")) - x).max() < 1e-6


def test_effects_come_into_the_planned_latency_and_the_measured_one_is_that(
    started: list[Engine],  # noqa: F811
) -> None:
    """dpl has a latency of 64 samples; L includes them, and the output is the input L samples
    later.
    """
    settings = offline("pcm:hop=960")
    without = start(started, settings)
    engine = start(started, offline("pcm:hop=960", racks=Racks((lv2(DPL),), ((DPL,), ()))))
    assert engine.plan.terms["rack"] == 2 * (64 + BLOCK - 1)
    assert without.plan.terms["rack"] == 0
    x = 0.5 * noise(RATE)
    y = play(engine, x)
    assert np.array_equal(y[engine.plan.latency :][: len(x)], x)
    assert sum(engine.dropouts().values()) == 0


def test_controls_of_a_plugin_are_those_of_its_description() -> None:
    rack = open_rack([lv2(DPL)], RATE, 2, 10.0)
    try:
        controls = {control.name: control for control in rack.effects[0].effect.controls}
        assert (controls["gain"].low, controls["gain"].high, controls["gain"].default) == (-10.0, 30.0, 0.0)
        assert controls["truepeak"].kind is bool
        x = np.full((2, RATE), 0.1, np.float32)
        rack.set("1.gain", 6.0)
        assert rack.process(x)[0, -1] == pytest.approx(0.1 * 10 ** (6 / 20), rel=1e-3)
    finally:
        rack.close()


def test_an_unknown_plugin_is_refused() -> None:
    lv2(DPL)
    with pytest.raises(EffectError, match=r"lv2:urn:not-there: this plug-in is not installed\. verdigris effects"):
        open_rack(["lv2:urn:not-there"], RATE, 2, 10.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = Freeverb(", "SyntaxError"),
        ("a = Nonsense()", "NameError"),
        ("s = Server()", "the server runs already. Leave Server, boot, start and gui out of the file"),
    ],
)
def test_an_error_in_a_patch_is_reported_and_skipped(tmp_path: Path, text: str, says: str) -> None:
    if not find_spec("pyo"):
        pytest.skip("pyo has no wheel here")
    (tmp_path / "patch.py").write_text(text)
    rack = open_rack([f"pyo:{tmp_path / 'patch.py'}"], RATE, 2, 10.0)
    try:
        x = np.ascontiguousarray(noise(BLOCK).T)
        assert np.array_equal(rack.process(x), x)
        ((said, failed),) = rack.remarks()
        assert says in said
        assert failed == 0
    finally:
        rack.close()


def test_a_patch_is_played_as_it_was_saved_last(tmp_path: Path, patch: Callable[[str], str]) -> None:
    rack = open_rack([patch("through")], RATE, 2, 10.0)
    try:
        x = np.full((2, 16 * BLOCK), 0.25, np.float32)
        assert rack.process(x)[0, -1] == pytest.approx(0.25, abs=1e-6)
        (tmp_path / "through.py").write_text("a = (Input([0, 1]) * -0.5).out()")
        deadline = time.monotonic() + 10.0
        while rack.process(x)[0, -1] > 0.0:
            assert time.monotonic() < deadline
        assert rack.process(x)[0, -1] == pytest.approx(-0.125, abs=1e-6)
        assert rack.remarks() == []
    finally:
        rack.close()


def test_playing_through_effects_equals_rendering_through_them(desk: Desk, patch: Callable[[str], str]) -> None:
    """A patch with randomness before opus:24, a limiter after it, both set."""
    desk.wav(samples=2 * RATE)
    reverb, random = patch("reverb"), patch("random")
    pre = ("--pre", reverb, "--pre", random, "--set", "pre.1.x=0.7")
    limiter = (lv2(DPL), "--set", "a.post.1.gain=12")
    live = ("live", "--driver", "file", "--input", "in.wav", "--record", "rec", "--b", "off", "--a", "opus:24")
    desk.done(*live, *pre, "--post-a", *limiter)
    desk.done("render", "in.wav", "out.wav", "--codec", "opus:24", *pre, "--post", *limiter)
    played, rendered = (soundfile.read(desk.place / name, dtype="float32")[0] for name in ("rec/a.wav", "out.wav"))
    assert np.array_equal(played, rendered)
    assert np.abs(rendered).max() > 0.1


def test_a_patch_is_played_into_the_codec(desk: Desk, patch: Callable[[str], str]) -> None:
    source = patch("random")
    live = ("live", "--driver", "file", "--input", source, "--seconds", "1", "--record", "rec", "--b", "off")
    desk.done(*live, "--a", "pcm")
    desk.done("render", source, "out.wav", "--codec", "pcm", "--seconds", "1")
    played, dry, rendered = (
        soundfile.read(desk.place / name, dtype="float32")[0] for name in ("rec/a.wav", "rec/input.wav", "out.wav")
    )
    assert len(rendered) == RATE
    assert 0.05 < np.abs(rendered).max() <= 0.5
    assert np.array_equal(played, rendered)
    assert np.array_equal(dry, rendered)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("import ctypes; ctypes.string_at(0)", "crashed (SIGSEGV)"),
        ("while True: pass", "gave no answer for 0.5 s"),
        ("return block[:, :3]", "returned "),
    ],
    ids=["crashes", "blocks", "returns short"],
)
def test_a_failing_live_effect_is_named_and_costs_one_dropout_at_most(desk: Desk, line: str, says: str) -> None:
    (desk.place / "bad.py").write_text(
        f"n = 0\ndef process(block, params):\n    global n\n    n += block.shape[1]\n"
        f"    if n > {RATE}:\n        {line}\n    return -block\n"
    )
    # a latency that this machine keeps whatever else it does, so that the only hole is the effect's
    live = ("live", "--driver", "clock", "--seconds", "4", "--a", "pcm", "--b", "off", "--latency", "24000")
    said = desk.done(*live, "--post-a", "py:bad.py", "--record", "rec", "--report", "report.json", "--osc", "off").out
    assert f"py:bad.py: {says}" in said
    assert "bypassed" in said
    report = json.loads((desk.place / "report.json").read_text())
    assert sum(count for kind, count in report["misses"].items() if kind != "xrun") <= 1  # those are the clock's
    assert report["restarts"] == 0
    assert [(effect["place"], effect["bypassed"]) for effect in report["effects"]] == [("a.post.1", True)]
    dry, wet = (soundfile.read(desk.place / f"rec/{name}.wav", dtype="float32")[0] for name in ("input", "a"))
    assert np.array_equal(wet[: RATE // 2], -dry[: RATE // 2])
    assert np.array_equal(wet[-RATE // 2 :], dry[len(wet) - RATE // 2 : len(wet)])
