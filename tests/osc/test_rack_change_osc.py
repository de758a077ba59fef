"""Effects added, moved and removed by OSC while a stream plays: what is heard, and what clients are told."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from realtime.effects.effect import Racks
from realtime.osc.packet import Message
from tests.support.osc_rig import Rig, only


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig("pcm:hop=960", "pcm", latency=9600, racks=Racks(post=(("gain",), ())))
    yield made
    made.close()


def change(rig: Rig, command: str, *args: object) -> list[Message]:
    """Send a change of the racks, and play until its answer."""
    answers = rig.ask(f"/verdigris/rack/{command}", *args)
    deadline = time.monotonic() + 60
    while not any(m.address in ("/verdigris/done", "/verdigris/fail", "/verdigris/error") for m in answers):
        assert time.monotonic() < deadline
        rig.engine.supervise()
        answers += rig.turn()
        time.sleep(0.001)
    return answers


def effects(rig: Rig) -> list[str]:
    return [" ".join(map(str, m.args[:3])) for m in rig.ask("/verdigris/rack") if m.address == "/verdigris/rack"]


def test_an_added_effect_is_heard_and_the_others_keep_their_values(rig: Rig) -> None:
    rig.ask("/verdigris/a/post/1/db", -6.0)
    rig.play(60)
    rig.client.send("/verdigris/subscribe", "params")
    answers = change(rig, "add", "a.post", "gain", 1)
    assert only(answers, "/verdigris/done") == ("rack",)
    assert only(answers, "/verdigris/rack/changed") == ()
    assert effects(rig) == ["a.post 1 gain", "a.post 2 gain"]
    assert (rig.engine.parameters["a.post.1.db"], rig.engine.parameters["a.post.2.db"]) == (0.0, -6.0)
    rig.ask("/verdigris/a/post/1/db", -20.0)
    rig.play(120)
    assert rig.output[-1] == pytest.approx(0.25 * 10 ** (-26 / 20), rel=1e-4)
    change(rig, "move", "a.post", 1, 2)
    assert (rig.engine.parameters["a.post.1.db"], rig.engine.parameters["a.post.2.db"]) == (-6.0, -20.0)
    change(rig, "remove", "a.post", 2)
    assert effects(rig) == ["a.post 1 gain"]
    assert "a.post.2.db" not in rig.engine.parameters
    rig.play(120)
    assert rig.output[-1] == pytest.approx(0.25 * 10 ** (-6 / 20), rel=1e-4)


def test_what_cannot_be_loaded_is_refused_and_the_racks_stay(rig: Rig) -> None:
    refused = only(change(rig, "add", "a.post", "py:/nowhere.py"), "/verdigris/error")
    assert "does not exist" in refused[1]
    refused = only(change(rig, "remove", "b.post", 1), "/verdigris/error")
    assert refused[1] == "b.post has no effect 1"
    failed = only(change(rig, "add", "pre", "lv2:urn:verdigris:none"), "/verdigris/fail")
    assert failed[0] == "rack"
    assert effects(rig) == ["a.post 1 gain"]


def test_a_snapshot_of_an_effect_that_is_gone_can_be_recalled(rig: Rig) -> None:
    rig.ask("/verdigris/a/post/1/db", -6.0)
    rig.ask("/verdigris/snapshot/store", "with")
    change(rig, "remove", "a.post", 1)
    answers = rig.ask("/verdigris/snapshot/recall", "with")
    assert not [m for m in answers if m.address == "/verdigris/error"]
    assert effects(rig) == [""]


def test_effects_that_need_more_latency_are_offered_with_a_restart() -> None:
    rig = Rig("pcm:hop=960")
    try:
        failed = only(change(rig, "add", "a.post", "gain"), "/verdigris/fail")
        assert failed[0] == "rack"
        assert (
            failed[4] == f"/verdigris/restart latency {failed[2]} pre.effects '' a.post.effects gain b.post.effects ''"
        )
    finally:
        rig.close()
