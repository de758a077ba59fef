"""Effect controls by OSC and on the command line: rows of the parameter table for the effects of a
session.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.effects.effect import Control, EffectInfo, Racks
from realtime.effects.kinds import KINDS, split_spec
from realtime.osc.address_space import AddressSpace
from realtime.osc.oscquery.tree import find, tree
from realtime.parameters.effect_rows import is_control, parse_control, rows
from realtime.parameters.table import ParameterError, parse_assignment
from tests.support.desk import Desk
from tests.support.osc_rig import BLOCK, Rig, only

INSERTED = EffectInfo(
    "a.post",
    2,
    "lv2:urn:x",
    64,
    (
        Control("drive", float, 0.5, 0.0, 2.0, "Drive"),
        Control("stages", int, 2.0, 1.0, 8.0),
        Control("on", bool, 1.0, 0.0, 1.0),
    ),
)


def test_every_control_is_a_row_and_every_effect_has_a_bypass() -> None:
    table = rows([INSERTED])
    assert list(table) == [f"a.post.2.{name}" for name in ("bypass", "drive", "stages", "on")]
    assert all(is_control(name) and row.parse(row.default) == row.default for name, row in table.items())
    assert table["a.post.2.drive"].address == "/verdigris/a/post/2/drive"
    assert table["a.post.2.drive"].parse(9.0, clamp=True) == 2.0
    assert parse_control(table, "a.post.2.stages", "4") == 4
    assert parse_control(table, "a.post.2.on", "off") is False


@pytest.mark.parametrize("name", ["a.steps", "a.bend.bias.07", "pre.gain", "c.post.1.x", "post.1.x"])
def test_other_names_are_not_controls(name: str) -> None:
    assert not is_control(name)


def test_an_unknown_control_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ParameterError, match=r"no control a\.post\.2\.nope\. There are .*a\.post\.2\.drive"):
        parse_control(rows([INSERTED]), "a.post.2.nope", "1")
    assert parse_assignment("a.post.2.drive=0.25") == ("a.post.2.drive", "0.25")


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig("pcm:hop=960", "pcm", racks=Racks(("gain",), (("gain", "gain"), ())))
    yield made
    made.close()


def test_controls_are_set_read_heard_and_acknowledged(rig: Rig) -> None:
    assert only(rig.ask("/verdigris/pre/1/db"), "/verdigris/pre/1/db") == (0.0,)
    rig.ask("/verdigris/pre/1/db", -20.0)
    rig.ask("/verdigris/set", "a.post.2.db", 6)
    rig.play(40, level=0.25)
    answers = rig.settle() + rig.turn()
    assert rig.output[-1] == pytest.approx(0.25 * 0.1 * 10 ** (6 / 20), rel=1e-5)
    assert only(rig.ask("/verdigris/a/post/2/db"), "/verdigris/a/post/2/db") == (6.0,)
    assert not [m for m in answers if m.address == "/verdigris/error"]


def test_a_change_is_acknowledged_with_its_frame(rig: Rig) -> None:
    answers = []
    for address, name in (("/verdigris/pre/1/db", "pre.1.db"), ("/verdigris/a/post/1/db", "a.post.1.db")):
        answers += rig.ask(address, -20.0) + rig.play(20)
        applied = [m.args for m in answers if m.address == "/verdigris/applied" and m.args[0] == name]
        assert len(applied) == 1
        frame, audible = applied[0][1:3]
        assert audible == frame * 960 + rig.engine.plan.latency


def test_a_pattern_matches_controls_of_several_effects(rig: Rig) -> None:
    rig.ask("/verdigris/a/post/*/db", 3.0)
    assert rig.engine.parameters["a.post.1.db"] == rig.engine.parameters["a.post.2.db"] == 3.0
    assert rig.engine.parameters["pre.1.db"] == 0.0


def test_values_outside_the_range_are_clamped(rig: Rig) -> None:
    rig.ask("/verdigris/pre/1/db", 99.0)
    assert rig.engine.parameters["pre.1.db"] == 24.0


def test_the_rack_is_listed_with_its_bypasses(rig: Rig) -> None:
    rig.ask("/verdigris/a/post/1/bypass", 1)
    listed = [m.args for m in rig.ask("/verdigris/rack") if m.address == "/verdigris/rack"]
    assert listed == [("pre", 1, "gain", 0, 0), ("a.post", 1, "gain", 0, 1), ("a.post", 2, "gain", 0, 0)]


def test_a_rack_without_effects_has_an_empty_answer() -> None:
    rig = Rig("pcm")
    try:
        assert only(rig.ask("/verdigris/rack"), "/verdigris/rack") == ()
        assert only(rig.ask("/verdigris/rack/controls"), "/verdigris/rack/controls") == (0, 0)
    finally:
        rig.close()


def test_controls_are_listed_with_type_and_range(rig: Rig) -> None:
    rig.ask("/verdigris/a/post/2/db", -6.0)
    listed = [m.args for m in rig.ask("/verdigris/rack/controls") if m.address == "/verdigris/rack/controls"]
    names = [f"{place}.{name}" for place in ("pre.1", "a.post.1", "a.post.2") for name in ("bypass", "db")]
    assert [args[:3] for args in listed] == [(i + 1, 6, name) for i, name in enumerate(names)]
    assert listed[5][3:] == ("gain", "float", -6.0, 0.0, -60.0, 24.0, "gain in dB, of gain")
    assert listed[4][4:8] == ("bool", 0, 0, 0)


def test_snapshots_and_reset_include_controls(rig: Rig) -> None:
    rig.ask("/verdigris/pre/1/db", -6.0)
    rig.ask("/verdigris/snapshot/store", "quiet")
    rig.ask("/verdigris/reset", "pre.1.db")
    assert rig.engine.parameters["pre.1.db"] == 0.0
    rig.ask("/verdigris/snapshot/recall", "quiet")
    assert rig.engine.parameters["pre.1.db"] == -6.0


def test_oscquery_lists_the_controls(rig: Rig) -> None:
    node = find(tree(rig.engine.parameters.snapshot(), rig.engine.table), "/verdigris/a/post/1/db")
    assert node is not None
    assert node["RANGE"] == [{"MIN": -60.0, "MAX": 24.0}]
    assert node["FULL_PATH"] in AddressSpace(rig.engine.table).targets


def test_a_failed_effect_is_bypassed_and_can_be_tried_again() -> None:
    broken = Path(__file__).parents[1] / "support" / "broken_effect.py"
    rig = Rig("pcm:hop=960", racks=Racks((f"py:{broken}",)))
    try:
        rig.play(20)
        rig.settle()
        listed = [m.args for m in rig.ask("/verdigris/rack") if m.address == "/verdigris/rack"]
        assert listed == [("pre", 1, f"py:{broken}", 0, 1)]
        rig.ask("/verdigris/pre/1/works", 1.0)
        rig.ask("/verdigris/pre/1/bypass", 0)
        rig.play(20)
        assert rig.engine.parameters["pre.1.bypass"] is False
        assert rig.output[-1] == -0.25
    finally:
        rig.close()


LIVE = ("live", "--driver", "file", "--a", "pcm", "--b", "off", "--input", "in.wav")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((*LIVE, "--pre", "nonsense"), 'effect "nonsense" is unknown. Pass gain, lv2:URI'),
        ((*LIVE, "--post-a", "pyo:not-there.py"), "the file does not exist"),
        ((*LIVE, "--post-a", "py:no_function.py"), "it has no function process(block, params)"),
        ((*LIVE, "--post-a", "gain", "--set", "a.post.1.db=99"), "Pass a number from -60.0 to 24.0"),
        ((*LIVE, "--post-a", "gain", "--set", "pre.1.db=1"), "no control pre.1.db. There are a.post.1.bypass"),
        (("render", "in.wav", "out.wav", "--codec", "pcm", "--set", "a.steps=2"), "is not NAME=VALUE of an effect"),
        (("render", "in.wav", "out.wav", "--codec", "pcm", "--set", "volume=2"), "Pass such as --set a.post.1.db=6"),
        (("render", "in.wav", "out.wav", "--codec", "pcm", "--set", "b.post.1.db=2"), "no control b.post.1.db"),
        (
            ("render", "in.wav", "out.wav", "--codec", "vorbis:96", "--post", "gain"),
            "effects and patches are not available",
        ),
        (("render", "pyo:no_function.py", "out.wav"), "has no end. Pass --seconds N."),
        (("live", "--driver", "file", "--input", "pyo:no_function.py"), "never ends"),
        (("live", "--driver", "device", "--input", "pyo:no_function.py", "--seconds", "1"), "Pass --pre pyo:no_func"),
        (("effects", "lv2"), "is unknown"),
    ],
)
def test_a_wrong_effect_is_refused_in_one_line(desk: Desk, arguments: tuple[str, ...], says: str) -> None:
    desk.wav()
    (desk.place / "no_function.py").write_text("x = 1\n")
    assert says in desk.refused(*arguments)


def test_rendering_with_effects_equals_playing_with_them(desk: Desk) -> None:
    desk.wav(samples=20_000)
    sets = ("--set", "pre.1.db=-6", "--set", "a.post.1.db=3")
    desk.done(*LIVE, "--record", "rec", "--pre", "gain", "--post-a", "gain", *sets)
    desk.done("render", "in.wav", "out.wav", "--codec", "pcm", "--pre", "gain", "--post", "gain", *sets)
    live, rendered = (soundfile.read(desk.place / name, dtype="float32")[0] for name in ("rec/a.wav", "out.wav"))
    original = soundfile.read(desk.place / "in.wav", dtype="float32")[0]
    assert np.array_equal(live, rendered)
    assert np.allclose(rendered[BLOCK:], original[BLOCK:] * 10 ** (-3 / 20), atol=1e-6)
    assert np.array_equal(soundfile.read(desk.place / "rec/input.wav", dtype="float32")[0], original)


def test_the_plan_has_a_term_for_effects(desk: Desk) -> None:
    output = desk.done("plan", "--a", "pcm", "--b", "off", "--post-a", "gain").out
    assert "rack      63 samples" in output


def test_effects_are_listed_with_their_controls(desk: Desk) -> None:
    assert "GPL" in desk.done("effects").out
    assert "db" in desk.done("effects", "gain").out


def test_lv2_without_lilv_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime.effects import catalogue
    from realtime.effects.lilv import Lilv

    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(Exception, match="apt-get install liblilv-0-0"):
        Lilv()
    assert "apt-get install liblilv-0-0" in catalogue.table(catalogue.listing())


def test_vst3_without_pedalboard_says_that_it_is_gpl(monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime.effects.vst3 import VstEffect

    monkeypatch.setitem(sys.modules, "pedalboard", None)
    with pytest.raises(Exception, match=r"GPL-3.*pip install 'verdigris\[vst\]'"):
        VstEffect("x.vst3", 48_000, 2)


def test_kinds_and_places_of_effects() -> None:
    assert split_spec("lv2:http://a:1/b#c") == (KINDS["lv2"], "http://a:1/b#c")
    assert split_spec("gain") == (KINDS["gain"], "")
