"""Effects added, ordered and removed: laws of the change, and the change in a running stream."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.effects.effect import Control, EffectError, EffectInfo, Racks
from realtime.engine.rack_change import MAX_EFFECTS, PLACES, add, carried, effects_at, move, remove, with_controls
from realtime.osc.command_sets.rack_commands import checked, racks_of_restart
from realtime.parameters.effect_rows import rows
from realtime.parameters.table import ParameterError
from realtime.worker.messages import Slot

LISTS = st.lists(st.sampled_from(["gain", "lv2:urn:a", "lv2:urn:b"]), max_size=5).map(tuple)
RACKS = st.builds(lambda pre, a, b: Racks(pre, (a, b)), LISTS, LISTS, LISTS)
PLACE = st.sampled_from(PLACES)


def infos(racks: Racks) -> list[EffectInfo]:
    control = (Control("db", float, 0.0, -60.0, 24.0),)
    return [
        EffectInfo(place, number, spec, 0, control)
        for place in PLACES
        for number, spec in enumerate(effects_at(racks, place), 1)
    ]


@given(RACKS, PLACE, st.integers(1, 6))
def test_removing_what_was_added_restores_the_racks(racks: Racks, place: str, number: int) -> None:
    number = min(number, len(effects_at(racks, place)) + 1)
    added = add(racks, place, "gain", number)
    assert effects_at(added.racks, place)[number - 1] == "gain"
    assert remove(added.racks, place, number).racks == racks


@given(RACKS, PLACE, st.data())
def test_a_move_and_its_inverse_change_nothing(racks: Racks, place: str, data: st.DataObject) -> None:
    count = len(effects_at(racks, place))
    if count:
        one, other = (data.draw(st.integers(1, count)) for _ in range(2))
        there = move(racks, place, one, other)
        assert there.sources[(place, other)] == (place, one)
        assert move(there.racks, place, other, one).racks == racks


@given(RACKS, PLACE, st.data())
def test_every_effect_that_stays_keeps_its_values(racks: Racks, place: str, data: st.DataObject) -> None:
    before = {name: float(at) for at, name in enumerate(rows(infos(racks)))}
    count = len(effects_at(racks, place))
    kind = data.draw(st.sampled_from(["add", "move", "remove"] if count else ["add"]))
    one = data.draw(st.integers(1, max(count, 1)))
    made = {"add": lambda: add(racks, place, "gain", one), "remove": lambda: remove(racks, place, one)}
    change = made[kind]() if kind in made else move(racks, place, one, data.draw(st.integers(1, count)))
    values = carried(change, rows(infos(change.racks)), before)
    for (new_place, number), (old_place, old) in change.sources.items():
        assert effects_at(change.racks, new_place)[number - 1] == effects_at(racks, old_place)[old - 1]
        assert values[f"{new_place}.{number}.db"] == before[f"{old_place}.{old}.db"]
    kept = len(change.sources)
    assert kept == len(before) // 2 - (kind == "remove")


def test_other_controls_stay_and_old_ones_of_effects_go() -> None:
    controls = {Slot.A: {"steps": 3, "post.1.db": 6.0}, Slot.PRE: {"1.db": 1.0}}
    found = with_controls(controls, {"a.post.2.db": -3.0, "pre.1.bypass": True})
    assert found == {Slot.A: {"steps": 3, "post.2.db": -3.0}, Slot.PRE: {"1.bypass": True}}


def test_a_place_without_the_effect_is_refused_with_what_there_is() -> None:
    with pytest.raises(EffectError, match="Add one first"):
        remove(Racks(), "pre", 1)
    with pytest.raises(EffectError, match="Pass 1 to 2"):
        move(Racks(("gain", "gain")), "pre", 1, 3)
    with pytest.raises(EffectError, match="Remove one first"):
        add(Racks(("gain",) * MAX_EFFECTS), "pre", "gain")


def test_a_file_that_the_session_was_not_started_with_is_refused() -> None:
    own = "py:" + __file__
    with pytest.raises(ParameterError, match="runs a file, which OSC cannot load"):
        checked(own, Racks())
    assert checked(own, Racks(post=((own,), ()))) == own
    with pytest.raises(ParameterError, match='effect "nope" is unknown'):
        checked("nope", Racks())


def test_a_restart_takes_lists_of_effects() -> None:
    args, racks = racks_of_restart(
        ("latency", 9600, "a.post.effects", "gain 'gain'", "pre.effects", ""), Racks(("gain",))
    )
    assert args == ("latency", 9600)
    assert racks == Racks((), (("gain", "gain"), ()))
    assert racks_of_restart(("latency", 1), Racks()) == (("latency", 1), None)
