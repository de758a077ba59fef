"""The address space and its patterns."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.osc.address_space import AddressSpace, part_matches
from realtime.parameters.table import PARAMETERS, Parameter, When

TABLE = {
    row.name: row
    for row in (
        Parameter("gain", float, 0.0, When.BLOCK, "", -60, 12, path="monitor/gain"),
        Parameter("a.bend.bias", float, (0.0,) * 64, When.FRAME, "", -4, 4, size=64),
    )
}


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*", "bias", None),
        ("b*s", "bias", "scale"),
        ("0[0-7]", "07", "08"),
        ("0[!0-7]", "08", "07"),
        ("[ab]", "a", "c"),
        ("{a,b}", "b", "c"),
        ("{bi,sc}a?", "bias", "biast"),
        ("?", "a", "ab"),
        ("*a*", "bias", "x"),
    ],
)
def test_patterns_match_as_in_osc_1_0(pattern: str, yes: str, no: str | None) -> None:
    assert part_matches(pattern, yes)
    assert no is None or not part_matches(pattern, no)


@given(st.text("ab*?", max_size=12), st.text("ab", max_size=12))
def test_stars_and_question_marks_match_as_in_file_names(pattern: str, text: str) -> None:
    assert part_matches(pattern, text) == fnmatch.fnmatchcase(text, pattern)


@given(st.text("ab*?[]{},!-", max_size=40), st.text("ab", max_size=12))
def test_every_pattern_is_accepted(pattern: str, text: str) -> None:
    part_matches(pattern, text)


def test_a_hostile_pattern_is_fast() -> None:
    started = time.perf_counter()
    assert not part_matches("*a" * 100 + "b", "a" * 200)
    assert not part_matches("{a,b}" * 60, "a" * 200)
    assert time.perf_counter() - started < 1.0


def test_every_row_and_every_element_has_its_address() -> None:
    space = AddressSpace(TABLE)
    assert space.find("/verdigris/monitor/gain")[0].parameter is TABLE["gain"]
    assert space.find("/verdigris/a/bend/bias/07")[0].index == 7
    assert space.find("/verdigris/a/bend/biasn")[0].is_range
    assert [t.index for t in space.find("/verdigris/a/bend/bias/0[0-7]")] == list(range(8))
    assert [t.index for t in space.find("/verdigris/?/bend/bias")] == [None]
    assert space.find("/verdigris/a/bend/bias/64") == ()


@pytest.mark.parametrize("name", ["gain", "monitor/gain", "/verdigris/monitor/gain"])
def test_pairs_take_a_name_or_an_address(name: str) -> None:
    assert AddressSpace(TABLE).named(name)[0].parameter is TABLE["gain"]
    assert AddressSpace(TABLE).named("a.bend.bias.63")[0].index == 63


def test_no_two_rows_of_the_table_share_an_address() -> None:
    elements = sum(1 + (row.size + 1 if row.size else 0) for row in PARAMETERS.values())
    assert len(AddressSpace(PARAMETERS).targets) == elements
