"""What a host may automate: rows of the table of parameters, in the order of the plug-in's ports.

The mix is the plug-in's own, for one bypassed moment without an engine is heard too; bends go to the worker and there
to every slot that plays.
"""

from __future__ import annotations

from realtime.mix import MIX
from realtime.params import PARAMETERS, Parameter

BENDS = (
    *("bend.freeze.on", "bend.hold.frames", "bend.mosh.probability", "bend.swap.amount"),
    *("bend.mask.probability", "bend.noise", "bend.levels", "bend.loss.token"),
)
NAMES = MIX + BENDS


def row(port: int) -> Parameter:
    """The parameter of a port; for bends that of slot A, which is like that of slot B."""
    return PARAMETERS[NAMES[port] if port < len(MIX) else f"a.{NAMES[port]}"]


def span(of: Parameter) -> tuple[float, float, float]:
    """Lowest, highest and default as a host sees them: numbers; choices are counted from 0."""
    if of.choices:
        return 0.0, float(len(of.choices) - 1), float(of.choices.index(of.default))
    if of.kind is bool:
        return 0.0, 1.0, float(of.default)
    assert of.low is not None
    assert of.high is not None
    return float(of.low), float(of.high), float(of.default)


def value(port: int, number: float) -> object:
    """What a host's number means."""
    of = row(port)
    low, high, _ = span(of)
    number = min(max(number, low), high)
    if of.choices:
        return of.choices[round(number)]
    return bool(round(number)) if of.kind is bool else of.kind(round(number) if of.kind is int else number)
