"""Wording of messages for musicians: parts by name, times in milliseconds, no commands."""

from __future__ import annotations

import re

PARTS = {
    "a.codec": "Codec A",
    "b.codec": "Codec B",
    "codecs": "The codecs",
    "codec": "The codecs",
    "device": "The sound card",
    "devices": "The list of sound cards",
    "record": "The recording",
    "record.directory": "The directory of takes",
    "source": "The source",
    "capture": "The loop",
    "restart": "The restart",
    "engine": "The engine",
    "effect": "An effect",
    "rack": "The effects",
    "learn": "Learning",
    "load": "The load",
    "console": "The console",
    "match": "Level match",
}
_WITH_MS = re.compile(r"\d+ samples \((\d+(?:\.\d+)?) ms\)")
_COMMAND = re.compile(r"\s*Restart with latency \d+\.")


def part_in_words(name: str) -> str:
    """Return the words for a part of the engine, such as "Codec A" for a.codec."""
    return PARTS.get(name, name)


def plain(reason: str) -> str:
    """Return a reason with milliseconds in place of samples, and without commands to type."""
    return _COMMAND.sub("", _WITH_MS.sub(lambda found: f"{float(found[1]):.0f} ms", reason)).strip()


def failure(name: str, reason: str) -> str:
    """Return the message that a part has failed, as one sentence or more."""
    text = plain(reason) or "no reason was given."
    return f"{part_in_words(name)}: {text}"


def milliseconds(samples: float, rate: int) -> str:
    """Return a duration in milliseconds: whole from 10 on, else with one digit."""
    ms = 1000.0 * samples / rate if rate else 0.0
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"
