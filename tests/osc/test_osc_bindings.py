"""Foreign faders: an address is learned and controls a parameter over its range."""

from __future__ import annotations

import pytest

from realtime.parameters.table import PARAMETERS
from tests.support.osc_rig import Rig, only


def test_the_next_unknown_address_is_learned_and_moves_its_parameter_at_once(rig: Rig) -> None:
    rig.ask("/verdigris/learn", "a.steps")
    assert only(rig.ask("/1/fader1", 1.0), "/verdigris/done") == ("learn", "/1/fader1")
    assert rig.engine.parameters["a.steps"] == 8
    rig.ask("/1/fader1", 0.0)
    assert rig.engine.parameters["a.steps"] == 1
    assert only(rig.ask("/1/fader2", 0.5), "/verdigris/error")[0] == "/1/fader2"


@pytest.mark.parametrize(
    ("name", "part", "value"),
    [
        ("gain", 0.5, -24.0),
        ("mute", 0.6, True),
        ("monitor", 1.0, PARAMETERS["monitor"].choices[-1]),
        ("gain", 7.0, 12.0),
    ],
)
def test_a_number_from_0_to_1_is_a_part_of_the_range(rig: Rig, name: str, part: float, value: object) -> None:
    rig.ask("/verdigris/bind", "/x", name)
    rig.ask("/x", part)
    assert rig.engine.parameters[name] == value


def test_nan_is_refused(rig: Rig) -> None:
    rig.ask("/verdigris/bind", "/x", "a.steps")
    assert only(rig.ask("/x", float("nan")), "/verdigris/error")[0] == "/x"
    assert rig.engine.parameters["a.steps"] == 2


def test_an_address_is_unbound_by_binding_it_to_nothing(rig: Rig) -> None:
    rig.ask("/verdigris/bind", "/x", "gain")
    rig.ask("/verdigris/bind", "/x")
    assert only(rig.ask("/x", 0.5), "/verdigris/error")[0] == "/x"


def test_an_unknown_name_is_refused_with_the_page_that_lists_them(rig: Rig) -> None:
    address, reason, remedy = only(rig.ask("/verdigris/learn", "volume"), "/verdigris/error")
    assert (address, reason) == ("/verdigris/learn", "parameter volume is not known")
    assert remedy == "Pass a parameter of docs/osc.md."


@pytest.mark.parametrize("name", ["a.codec", "a.bend.bias", "nothing"])
def test_a_parameter_that_a_fader_cannot_control_is_refused(rig: Rig, name: str) -> None:
    assert only(rig.ask("/verdigris/bind", "/x", name), "/verdigris/error")[0] == "/verdigris/bind"


@pytest.mark.parametrize("address", ["/verdigris/quit", "/verdigris", "fader", ""])
def test_only_foreign_addresses_are_bound(rig: Rig, address: str) -> None:
    error = only(rig.ask("/verdigris/bind", address, "gain"), "/verdigris/error")
    assert error[1] == f'"{address}" cannot be bound'


@pytest.mark.parametrize("given", [("/x", float("nan")), ("/x", float("inf")), ("/verdigris/nothing", 0.5)])
def test_only_a_number_at_a_foreign_address_is_learned(rig: Rig, given: tuple[str, float]) -> None:
    rig.ask("/verdigris/learn", "a.steps")
    assert only(rig.ask(*given), "/verdigris/error")[0] == given[0]
    assert only(rig.ask("/y", 0.0), "/verdigris/done") == ("learn", "/y")
