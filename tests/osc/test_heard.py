"""State `heard` by OSC: what is played, and every stand-in, however short."""

from __future__ import annotations

from realtime.osc.packet import Message
from realtime.timeline.layout import Field
from tests.support.osc_rig import Rig, only


def heard(messages: list[Message]) -> list[str]:
    return [message.args[0] for message in messages if message.address == "/verdigris/heard"]


def wait_for(rig: Rig, state: str) -> list[str]:
    """Step the server until it sends a state; return the states up to then."""
    found: list[str] = []
    while state not in found:
        found += heard(rig.turn())
    return found


def test_a_query_answers_with_the_path(rig: Rig) -> None:
    assert only(rig.ask("/verdigris/heard"), "/verdigris/heard") == ("a",)
    rig.ask("/verdigris/monitor/path", "delta")
    rig.turn()
    assert only(rig.ask("/verdigris/heard"), "/verdigris/heard") == ("delta",)
    rig.ask("/verdigris/monitor/mute", True)
    rig.turn()
    assert only(rig.ask("/verdigris/heard"), "/verdigris/heard") == ("mute",)


def test_a_subscriber_is_sent_each_change_and_no_dropout_is_missed(rig: Rig) -> None:
    assert heard(rig.ask("/verdigris/subscribe", "heard")) or wait_for(rig, "a") == ["a"]
    rig.engine.timeline.header[Field.FILL_SAMPLES_B] += 1  # as the audio thread counts; B is not heard
    rig.engine.timeline.header[Field.FILL_SAMPLES_A] += 1
    assert wait_for(rig, "a") == ["dry for a", "a"]
    rig.ask("/verdigris/monitor/path", "ghost")
    assert wait_for(rig, "ghost") == ["ghost"]
    rig.engine.set("fill", "silence")
    rig.engine.timeline.header[Field.FILL_SAMPLES_A] += 1
    rig.engine.timeline.header[Field.FILL_SAMPLES_B] += 1
    assert wait_for(rig, "ghost") == ["silence for a and b", "ghost"]
