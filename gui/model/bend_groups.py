"""Bends as a musician names them, with their controls and what they need of a codec."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from realtime.client import CodecInfo
from realtime.parameters.table import PARAMETERS


@dataclass(frozen=True)
class BendGroup:
    """One bend. `bend` is its name in the engine; `amounts` are the controls that make it act."""

    bend: str
    title: str
    sentence: str
    controls: tuple[str, ...]  # names without slot and prefix
    amounts: tuple[str, ...]
    needs_tokens: bool = False  # does nothing to codecs without tokens and latents
    continuous_only: bool = False  # acts on the continuous path alone
    ordered: bool = True  # has a place in the order; False: always last, or first
    first: bool = False
    prefix: str = "bend."  # of its parameters, after the slot
    codec: str = ""  # the only codec that it acts on

    def names(self, slot: str) -> list[str]:
        """Return the parameters of a slot."""
        return [f"{slot}.{self.prefix}{control}" for control in self.controls]

    def amount_names(self, slot: str) -> list[str]:
        """Return the parameters of a slot that make it act."""
        return [f"{slot}.{self.prefix}{amount}" for amount in self.amounts]

    def active(self, slot: str, values: dict[str, Any]) -> bool:
        """Return True if the bend acts with these values."""
        names = self.amount_names(slot)
        return any(values.get(name, PARAMETERS[name].default) != PARAMETERS[name].default for name in names)

    def passed_over(self, facts: CodecInfo | None) -> str:
        """Return why a codec passes this bend over; "" if it does not."""
        if facts is None:
            return ""
        if self.codec and facts.spec.name.partition(":")[0] != self.codec:
            return f"{facts.spec.name} passes this over: choose {self.codec}"
        if self.needs_tokens and not facts.spec.tokens and 0 in facts.spec.latent:
            return f"{facts.spec.name} passes this over: it has no tokens and no latents"
        if self.continuous_only and facts.path != "continuous":
            return "acts on the continuous path alone"
        return ""


_NAMED = (
    ("freeze", "Freeze", "hold the frame that is playing", "freeze.on"),
    ("hold", "Slow clock", "play each frame several times", "hold.frames"),
    ("stutter", "Stutter", "loop the last frames", "stutter.frames"),
    ("mosh", "Flashback", "throw in frames of the past", "mosh.probability"),
    (
        "morph", "Travel", "travel from one sound to another",
        "morph.position", "morph.from", "morph.store_from", "morph.store_to",
    ),
    ("swap", "Transplant", "take tokens from the past or from the other slot", "swap.amount"),
    ("mask", "Holes", "replace single tokens at random", "mask.probability"),
    ("arithmetic", "Warp", "shift, scale and flip channels of the latent", "bias", "scale", "invert"),
    ("macro", "Macro", "move along what the sound varies in most", "macro.learn", "macro.move"),
    ("noise", "Haze", "noise on the latent", "noise"),
    ("snapshot", "Imprint", "mix toward a latent that was stored", "snapshot.store", "snapshot.mix"),
    ("levels", "Coarse", "round the latent to few levels", "levels"),
    ("blend", "Half discrete", "mix continuous and discrete", "blend"),
    ("loss", "Packet loss", "lose tokens and frames on the way", "loss.token", "loss.enter"),
    ("generations", "Generation loss", "a copy of a copy: code again and again", "generations"),
    ("user", "Your own", "a Python file, named when the engine starts", "user.x", "user.y", "user.z"),
)  # fmt: skip
_NEED_TOKENS = ("morph", "swap", "mask", "arithmetic", "macro", "noise", "snapshot", "levels", "blend")
_CONTINUOUS_ONLY = ("blend",)
_LAST = ("generations", "user")
_GENERAL = ("on", "seed", "order", "file")
_OF_WARP = ("bias", "scale", "invert")


def _own_controls(bend: str) -> tuple[str, ...]:
    every = [name.removeprefix("a.bend.") for name, row in PARAMETERS.items() if _is_control(name, row)]
    return tuple(name for name in every if _bend_of(name) == bend)


def _is_control(name: str, row: Any) -> bool:
    return name.startswith("a.bend.") and not row.local and name.removeprefix("a.bend.") not in _GENERAL


def _bend_of(control: str) -> str:
    return "arithmetic" if control in _OF_WARP else control.partition(".")[0]


def _groups() -> tuple[BendGroup, ...]:
    """Return the named bends, and those that only the parameter table has, under their own names."""
    known = [
        BendGroup(
            bend,
            title,
            sentence,
            _own_controls(bend),
            tuple(amounts),
            needs_tokens=bend in _NEED_TOKENS,
            continuous_only=bend in _CONTINUOUS_ONLY,
            ordered=bend not in _LAST,
        )
        for bend, title, sentence, *amounts in _NAMED
    ]
    named = {group.bend for group in known}
    others: dict[str, list[str]] = {}
    for name, row in PARAMETERS.items():
        if _is_control(name, row) and _bend_of(control := name.removeprefix("a.bend.")) not in named:
            others.setdefault(_bend_of(control), []).append(control)
    more = [BendGroup(bend, bend.title(), "", tuple(names), tuple(names)) for bend, names in others.items()]
    return (*known, *more)


_PLAY_ON = BendGroup(
    "continue",
    "Play on",
    "stop listening, and go on from what was heard",
    tuple(name.removeprefix("a.") for name in PARAMETERS if name.startswith("a.continue")),
    ("continue",),
    ordered=False,
    first=True,
    prefix="",
    codec="swift",
)
GROUPS = (_PLAY_ON, *_groups())
BY_BEND = {group.bend: group for group in GROUPS}


def in_order(bends: Iterable[str], order: str) -> list[str]:
    """Return bends as the engine applies them: those named in `order` first, the others in their own
    order, and those without a place last or before all.
    """
    rank = {bend: at for at, bend in enumerate(order.split())}
    place = {group.bend: at for at, group in enumerate(GROUPS)}

    def key(bend: str) -> tuple[bool, bool, int, int]:
        group = BY_BEND[bend]
        return not group.first, not group.ordered, rank.get(bend, len(rank)), place[bend]

    return sorted(bends, key=key)


def order_with(shown: Sequence[str], order: str, bend: str, step: int) -> str:
    """Return the order in which `bend` is a step earlier (−1) or later (+1) among the bends `shown`."""
    ordered = [name for name in shown if BY_BEND[name].ordered]
    at = ordered.index(bend)
    to = min(max(at + step, 0), len(ordered) - 1)
    ordered.insert(to, ordered.pop(at))
    rest = [name for name in in_order([group.bend for group in GROUPS if group.ordered], order) if name not in ordered]
    return " ".join([*ordered, *rest])
