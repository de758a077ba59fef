"""The parameter table: one row says all that may be said to a parameter."""

from __future__ import annotations

import re

import pytest

from realtime.parameters.table import PARAMETERS, ParameterError, When, parse, parse_assignment


def test_every_default_is_allowed_and_every_row_describes_its_values() -> None:
    for row in PARAMETERS.values():
        assert row.parse(row.default) == row.default
        assert row.allowed
        assert row.help
        assert row.when in When


@pytest.mark.parametrize(
    ("text", "value"),
    [("monitor=delta", "delta"), ("a.steps=8", 8), ("gain=-6.5", -6.5), ("limiter=off", False), ("b.seed=0", 0)],
)
def test_text_becomes_a_value_of_the_rows_kind(text: str, value: object) -> None:
    assert parse_assignment(text) == (text.partition("=")[0], value)


@pytest.mark.parametrize(
    "text",
    [
        "monitor=c",
        "a.steps=0",
        "a.steps=9",
        "a.steps=2.5",
        "gain=nan",
        "gain=inf",
        "gain=",
        "limiter=maybe",
        "b.seed=-1",
    ],
)
def test_a_value_out_of_range_is_refused_with_what_is_allowed(text: str) -> None:
    name = text.partition("=")[0]
    with pytest.raises(ParameterError, match=re.escape(PARAMETERS[name].allowed)):
        parse_assignment(text)


def test_an_error_about_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ParameterError, match=r"parameter volume is unknown. Pass one of monitor, gain"):
        parse("volume", 1)
    with pytest.raises(ParameterError, match="is not NAME=VALUE"):
        parse_assignment("monitor")


def test_a_number_is_taken_as_an_integer_only_where_nothing_is_lost() -> None:
    assert parse("a.steps", 2.0) == 2
    with pytest.raises(ParameterError):
        parse("a.steps", 2.5)
