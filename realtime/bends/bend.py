"""Declaration of a bend: its function, its controls, and when it is active.

A bend's module declares it; registry.py lists it. The parameter table makes a row for each control,
from which the command line, OSC and the window follow (parameters/bends.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.codec import Frame
from realtime.bends.context import BendState

Params = Mapping[str, Any]  # of one bend, by the last part of the control's name: {"probability": 0.5, ...}
BendFunction = Callable[[Frame, BendState, Params, np.random.Generator], Frame]


@dataclass(frozen=True)
class BendControl:
    """One control of a bend. A range is inclusive. The default must be neutral: it changes nothing."""

    name: str  # without the slot, such as "mask.fill"
    kind: type  # float, int, bool, or str with `choices`
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    size: int = 0  # elements of a vector; 0: a single value
    command_line_only: bool = False  # not settable by OSC, which has no passwords: it runs code


@dataclass(frozen=True)
class Bend:
    """A bend and its controls. `function` is called only while a control of `amounts` is not at its
    default.
    """

    name: str
    function: BendFunction
    controls: tuple[BendControl, ...]
    amounts: tuple[str, ...]  # names of controls
    random_stream: int  # seeds its random numbers; unique, never reused, so that a seed sounds the same for ever
    new_random_each_frame: bool = True  # False: the same random numbers for every frame
    needs_tokens: bool = False  # does nothing to codecs without tokens and latents


def number(
    name: str, kind: type, default: float | bool, help_: str, low: float, high: float, *, size: int = 0
) -> BendControl:
    """Return a control that is a number from `low` to `high`, or a vector of `size` of them."""
    return BendControl(name, kind, (default,) * size if size else default, help_, low, high, size=size)


def switch(name: str, help_: str) -> BendControl:
    """Return a control that is on or off, off by default."""
    return BendControl(name, bool, False, help_)


def choice(name: str, help_: str, *choices: str) -> BendControl:
    """Return a control that is one of `choices`, the first by default."""
    return BendControl(name, str, choices[0], help_, choices=choices)
