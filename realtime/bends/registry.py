"""Registry of the built-in bends, in the order in which a chain applies them. A new bend is one
entry here.
"""

from __future__ import annotations

from realtime.bends import latent_pca, latent_travel, latents, packet_loss, temporal, tokens
from realtime.bends.bend import Bend, BendControl, number

BENDS: tuple[Bend, ...] = (
    temporal.FREEZE,
    temporal.HOLD,
    temporal.STUTTER,
    temporal.MOSH,
    latent_travel.MORPH,
    tokens.SWAP,
    tokens.MASK,
    latents.ARITHMETIC,
    latent_pca.MACRO,
    latents.NOISE,
    latents.SNAPSHOT,
    latents.LEVELS,
    latents.BLEND,
    packet_loss.LOSS,
)

_BEFORE = (
    BendControl("on", bool, True, "apply bends"),
    BendControl("order", str, "", "names of bends that act first, in this order; the others keep theirs"),
    number("seed", int, 0, "seed of all random numbers in bends", 0, 2**31 - 1),
)
_AFTER = (
    number("generations", int, 0, "further rounds of encoding and decoding; each adds the look-ahead as delay", 0, 4),
    BendControl("file", str, "", "Python file with a bend of your own", command_line_only=True),
    number("user.x", float, 0.0, "first number for your own bend", 0, 1),
    number("user.y", float, 0.0, "second number for your own bend", 0, 1),
    number("user.z", float, 0.0, "third number for your own bend", 0, 1),
)


def controls() -> tuple[BendControl, ...]:
    """Return the controls of a chain and of all its bends, in the order of the parameter table."""
    return (*_BEFORE, *(control for bend in BENDS for control in bend.controls), *_AFTER)
