"""Log of the program: plain lines on the console, redirected while a view draws, and shown once."""

from __future__ import annotations

import logging

import pytest

from realtime.system.log import ROOT, console_output, show_on_console

LOG = logging.getLogger("verdigris.test")


def test_the_console_shows_a_message_as_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    show_on_console()
    show_on_console()  # as a second command in one process does
    LOG.warning("latency is %d samples", 5)
    assert capsys.readouterr().out == "latency is 5 samples\n"


def test_a_message_with_a_percent_sign_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show_on_console()
    LOG.info("100 % of the frames")
    assert capsys.readouterr().out == "100 % of the frames\n"


def test_a_view_gets_the_lines_until_it_is_closed(capsys: pytest.CaptureFixture[str]) -> None:
    show_on_console()
    lines: list[str] = []
    with console_output(lines.append):
        LOG.info("in the view")
    LOG.info("after it")
    assert lines == ["in the view"]
    assert capsys.readouterr().out == "after it\n"


def test_details_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_on_console()
    logging.getLogger(ROOT).debug("a detail")
    assert capsys.readouterr().out == ""
