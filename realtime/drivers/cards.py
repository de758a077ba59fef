"""Choosing a sound card: by name, by what was chosen last, by a JACK server in the environment, by the system.

Whoever names a card gets that one or an error, never another: a jump to the loudspeakers is not forgiven.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from realtime.config import keep_json, load_json
from realtime.drivers.portaudio import Card, CardError, cards, defaults

FILE = "cards.json"
BY_SYSTEM = "the system's default"
HELD = "A card that another program holds is not seen: close that program."  # PortAudio leaves it out
DEFAULT = "default"  # the name of whatever the system offers


@dataclass(frozen=True)
class Choice:
    """Cards by stable name, DEFAULT for the system's; None: not chosen."""

    input: str | None = None
    output: str | None = None


@dataclass(frozen=True)
class Pair:
    """What to open. Without a source, output only."""

    source: Card | None
    sink: Card
    why: str  # how they were chosen, in words

    @property
    def name(self) -> str:
        if self.source is None or self.source.name == self.sink.name:
            return self.sink.name
        return f"{self.source.name} → {self.sink.name}"

    @property
    def two_clocks(self) -> bool:
        """Whether input and output each have a clock of their own; all of a JACK server goes by one."""
        if self.source is None or self.source.name == self.sink.name:
            return False
        return not (self.source.api == self.sink.api and self.sink.api.startswith("JACK"))


def choose(given: Choice, *, duplex: bool = True, there: Sequence[Card] | None = None) -> Pair:
    """The cards for what was given on the command line, else remembered or by default. CardError if there are none."""
    found = cards() if there is None else there
    if not found:
        raise CardError(
            "no sound card: PortAudio sees none. Plug one in or start a JACK server (verdigris devices shows what is "
            f"there), or pass --driver clock. {HELD}"
        )
    remembered, why = Choice(), BY_SYSTEM
    if given.input or given.output:
        why = "as given"
    elif _jack(found):
        why = "the JACK server of the environment"
    else:
        remembered = recall()
        if remembered != Choice():
            why = "as last time"
    sink = _pick(given.output or remembered.output, found, "output")
    source = _pick(given.input or remembered.input, found, "input", like=sink) if duplex else None
    return Pair(source, sink, why)


def _pick(name: str | None, found: Sequence[Card], kind: str, like: Card | None = None) -> Card:
    if name is not None and name != DEFAULT:
        return find(name, found, kind)
    usable = with_channels(found, kind)
    if not usable:
        raise CardError(
            f"no {kind}: none of the cards ({_names(found)}) has {kind} channels. "
            + ("Play a file: --input FILE." if kind == "input" else "Plug in one that has.")
        )
    if like is not None and name is None:  # what was chosen for output is used for input too, if it can be
        usable = [card for card in usable if card.api == like.api] or usable
        if like in usable and not like.output_default:
            return like
    jack = [card for card in usable if card.api.startswith("JACK")]
    if jack and "JACK_DEFAULT_SERVER" in os.environ and (like is None or like.api == jack[0].api):
        return jack[0]
    index = defaults()[kind == "output"]
    by_system = [card for card in usable if card.index == index]
    by_api = [card for card in usable if (card.output_default if kind == "output" else card.input_default)]
    return (by_system or by_api or usable)[0]


def find(name: str, found: Sequence[Card], kind: str) -> Card:
    """The card of that stable name, or the only one with that text in its name; CardError if there is none."""
    wanted, usable = name.casefold(), with_channels(found, kind)
    for matches in (
        [card for card in usable if card.name == name],
        [card for card in usable if wanted in (card.name.casefold(), card.name.partition(":")[2].casefold())],
        [card for card in usable if wanted in card.name.casefold()],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise CardError(f'{kind} "{name}" may be {_names(matches)}. Pass one of these whole.')
    anyway = [card for card in found if wanted in card.name.casefold()]
    if anyway:
        raise CardError(
            f"{anyway[0].name} has no {kind} channels; these have: {_names(usable) or 'none'}. "
            + ("Pass one of them, or play a file: --input FILE." if kind == "input" else "Pass one of them.")
        )
    raise CardError(
        f'no {kind} "{name}"; there are: {_names(usable) or "none"}. Plug it in or pass one of these. {HELD}'
    )


def with_channels(found: Sequence[Card], kind: str) -> list[Card]:
    return [card for card in found if (card.inputs if kind == "input" else card.outputs)]


def _jack(found: Sequence[Card]) -> bool:
    return "JACK_DEFAULT_SERVER" in os.environ and any(card.api.startswith("JACK") for card in found)


def _names(found: Sequence[Card]) -> str:
    return ", ".join(card.name for card in found)


def recall() -> Choice:
    """What was remembered; nothing if that cannot be read."""
    names = [load_json(FILE).get(kind) for kind in ("input", "output")]
    return Choice(*(name if isinstance(name, str) else None for name in names))


def remember(choice: Choice) -> None:
    """Keep a choice for the next start; a home that cannot be written is no reason to stop playing."""
    keep_json(FILE, {**load_json(FILE), "input": choice.input, "output": choice.output})


def recall_round_trip(card: str, rate: int, block: int) -> int | None:
    """What `doctor --loopback` last measured of a card, at this rate and block; None if it never did."""
    measured = load_json(FILE).get("round_trips")
    samples = measured.get(f"{card}, {rate} Hz, {block}") if isinstance(measured, dict) else None
    return samples if isinstance(samples, int) else None


def remember_round_trip(card: str, rate: int, block: int, samples: int) -> None:
    kept = load_json(FILE)
    measured = kept.get("round_trips")
    kept["round_trips"] = {**(measured if isinstance(measured, dict) else {}), f"{card}, {rate} Hz, {block}": samples}
    keep_json(FILE, kept)
