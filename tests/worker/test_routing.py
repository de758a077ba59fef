"""Parameter routing: every frame parameter of the table has a slot and a stage."""

from __future__ import annotations

from dataclasses import fields

import pytest

from models.codec import DecoderControls
from realtime.parameters.parameter import When
from realtime.parameters.table import PARAMETERS
from realtime.worker.messages import Slot
from realtime.worker.routing import Stage, effects_place, full_name, route, stage_of


@pytest.mark.parametrize(
    ("name", "target", "stage"),
    [
        ("limiter", (Slot.GLOBAL, "limiter"), (Stage.LIMITER, "limiter")),
        ("a.steps", (Slot.A, "steps"), (Stage.DECODER, "steps")),
        ("b.lock", (Slot.B, "lock"), (Stage.SEED_LOCK, "lock")),
        ("a.bend.mask.probability", (Slot.A, "bend.mask.probability"), (Stage.BENDS, "mask.probability")),
        ("b.post.2.drive", (Slot.B, "post.2.drive"), (Stage.EFFECTS, "2.drive")),
    ],
)
def test_a_parameter_is_routed_to_a_stage_of_its_slot(
    name: str, target: tuple[Slot, str], stage: tuple[Stage, str]
) -> None:
    assert route(name) == target
    assert stage_of(target[1]) == stage
    assert full_name(*target) == name


def test_effects_before_the_codecs_are_a_target_of_their_own() -> None:
    assert route("pre.1.drive") == (Slot.PRE, "1.drive")
    assert full_name(Slot.PRE, "1.drive") == "pre.1.drive"
    assert [effects_place(slot) for slot in (Slot.PRE, Slot.A, Slot.B)] == ["pre", "a.post", "b.post"]


def test_every_frame_parameter_reaches_a_stage_and_decoder_names_exist() -> None:
    controls = {field.name for field in fields(DecoderControls)}
    for name, row in PARAMETERS.items():
        if row.when is When.FRAME:
            target = route(name)
            assert target, name
            stage, key = stage_of(target[1])
            assert stage is not Stage.DECODER or key in controls, name


def test_parameters_of_the_host_side_and_the_session_are_not_routed() -> None:
    for name in ("monitor", "gain", "fill", "record", "driver", "osc.reply_port"):
        assert route(name) is None
