"""Tapes whose fields are wrong: played as far as they are whole, with each damaged record named, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.desk import Desk

CASES = Path(__file__).parents[1] / "data" / "cases"
HOP = 8192


def test_a_damaged_record_is_silent_and_reported_and_all_others_play(desk: Desk) -> None:
    answer = desk.run("play", CASES / "tape_flip.tape", "o.wav")
    assert answer.code == 0
    assert answer.err == f"{CASES / 'tape_flip.tape'}: record 3 (at 0.341 s) is damaged; silence is in its place\n"
    heard, rate = soundfile.read("o.wav")
    assert (len(heard), rate) == (6 * HOP, 48_000)
    loud = [bool(np.abs(heard[i * HOP + 200 : (i + 1) * HOP - 200]).max() > 1e-4) for i in range(6)]
    assert loud == [i != 2 for i in range(6)]


def test_a_damaged_tape_is_not_packed_unless_the_loss_is_accepted(desk: Desk) -> None:
    pytest.importorskip("constriction", reason="the extra entropy is not installed")
    tape = CASES / "tape_flip.tape"
    says = desk.refused("pack", tape, "o.pack")
    assert "cannot be packed without loss: record 3 (at 0.341 s) is damaged. Pass --drop-damaged" in says
    answer = desk.run("pack", tape, "o.pack", "--drop-damaged")
    assert answer.code == 0
    assert answer.err == f"{tape}: record 3 (at 0.341 s) is damaged, and left out\n"
    assert "5 frames" in desk.done("unpack", "o.pack", "o.tape").out


def test_an_index_days_later_is_damage(desk: Desk) -> None:
    answer = desk.run("play", CASES / "tape_index_huge.tape", "o.wav")
    assert answer.code == 0
    assert "record 2 (at 0.171 s) is damaged" in answer.err
    assert soundfile.info("o.wav").frames == 2 * HOP


@pytest.mark.parametrize(("name", "says"), [("tape_hop0.tape", "hop 0"), ("tape_rate0.tape", "sample rate 0")])
def test_a_header_that_cannot_be_is_refused(desk: Desk, name: str, says: str) -> None:
    assert f'tape "{name}" has a wrong header: {says}, allowed are' in desk.refused("play", CASES / name, "o.wav")
