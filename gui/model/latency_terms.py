"""Latency terms of each slot in words, in the order in which sound passes them."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.client import Latency

WORDS = {
    "block": ("Audio block", "the sound card hands over sound in blocks of this length"),
    "hop": ("Frame", "the codec waits until a whole frame has been played in"),
    "lookahead": ("Look-ahead", "the codec listens this far past a frame before it encodes it"),
    "resampler": ("Resampling", "the filters between the rate of the card and that of the codec"),
    "rack": ("Effects", "the effects before and after the codec delay the sound by this much"),
    "compute": ("Compute", "the slowest frame takes this long on this machine, with a margin"),
    "poll": ("Wake-up", "the system may take this long to wake the codec"),
    "limiter": ("Limiter", "it looks ahead for peaks"),
    "fade": ("Fade", "room to fade to dry if a frame is late"),
    "reserve": ("Reserve", "time to spare, which catches stalls of the machine"),
}


@dataclass(frozen=True)
class Term:
    """One term of a slot's latency."""

    name: str
    words: str
    sentence: str
    samples: int


@dataclass(frozen=True)
class SlotLatency:
    """Terms of one slot that are not zero; together they are the latency."""

    slot: str  # "a", "b", or "" if only the sum over the slots is known
    terms: tuple[Term, ...]

    @property
    def samples(self) -> int:
        return sum(term.samples for term in self.terms)


def by_slot(latency: Latency) -> list[SlotLatency]:
    """Return the terms of each slot; of L alone if the session does not tell them by slot."""
    slots = latency.slots or ({"": latency.terms} if latency.terms else {})
    return [SlotLatency(slot, _terms(terms)) for slot, terms in sorted(slots.items())]


def _terms(terms: dict[str, int]) -> tuple[Term, ...]:
    order = [name for name in WORDS if name in terms] + [name for name in terms if name not in WORDS]
    found = (Term(name, *WORDS.get(name, (name, "")), terms[name]) for name in order)
    return tuple(term for term in found if term.samples > 0)
