"""Compiled code uses the numbers of the enums that index its memory."""

from __future__ import annotations

from enum import IntEnum

import pytest
from numba import njit

from realtime.drivers.portaudio.callback import StateField
from realtime.drivers.portaudio.clock_bridge import BridgeField, BridgeFloat
from realtime.drivers.portaudio.clock_model import ClockField
from realtime.system.enum_constants import enum_constants


@pytest.mark.parametrize("enum", [StateField, BridgeField, BridgeFloat, ClockField])
def test_constants_have_the_names_and_numbers_of_the_enum(enum: type[IntEnum]) -> None:
    constants = enum_constants(enum)
    assert constants._asdict() == {field.name: field.value for field in enum}
    assert all(type(number) is int for number in constants)


@pytest.mark.parametrize("enum", [StateField, BridgeField, BridgeFloat, ClockField])
def test_fields_do_not_overlap_and_fit_the_memory(enum: type[IntEnum]) -> None:
    numbers = [int(field) for field in enum]
    assert numbers == sorted(set(numbers)), "declared in order, each number once"
    assert max(numbers) == enum["SIZE"]


def test_compiled_code_reads_the_same_number() -> None:
    fields = enum_constants(StateField)

    @njit
    def clipped() -> int:
        return fields.CLIPPED

    assert clipped() == StateField.CLIPPED
