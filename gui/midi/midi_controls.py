"""MIDI messages as addresses with a number from 0 to 1 (MIDI 1.0, "Channel Voice Messages")."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

ROOT = "/midi"
TOP_7, TOP_14 = 127, 16_383  # largest 7 bit and 14 bit value
MIDDLE_14 = 8_192  # of a pitch bend

# What each message controls, and its value. Channels count from 1, as on controllers.
_CONTROLS: dict[str, Callable[[Any], tuple[str, float]]] = {
    "control_change": lambda m: (f"cc/{m.control}", m.value / TOP_7),
    "note_on": lambda m: (f"note/{m.note}", m.velocity / TOP_7),
    "note_off": lambda m: (f"note/{m.note}", 0.0),
    "pitchwheel": lambda m: ("bend", (m.pitch + MIDDLE_14) / TOP_14),
    "aftertouch": lambda m: ("pressure", m.value / TOP_7),
    "polytouch": lambda m: (f"pressure/{m.note}", m.value / TOP_7),
    "program_change": lambda m: ("program", m.program / TOP_7),
}
_WORDS = {"cc": "CC {}", "note": "note {}", "bend": "pitch bend", "pressure": "pressure {}", "program": "program"}
_ADDRESS = re.compile(r"/midi/(\d+)/(\w+)(?:/(\d+))?")


def control_of(message: Any) -> tuple[str, float] | None:
    """Return address and number of a mido message; None if it controls nothing, as the clock does.

    A note that is held down is its velocity, and 0 once it is released.
    """
    read = _CONTROLS.get(message.type)
    if read is None:
        return None
    what, value = read(message)
    return f"{ROOT}/{message.channel + 1}/{what}", value


def in_words(address: str) -> str:
    """Return a MIDI address as "MIDI channel 1, CC 21", and any other one as it is."""
    found = _ADDRESS.fullmatch(address)
    if not found or found[2] not in _WORDS:
        return address
    return f"MIDI channel {found[1]}, {_WORDS[found[2]].format(found[3] or '').strip()}"
