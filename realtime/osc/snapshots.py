"""Sets of parameter values: stored, recalled, and the way between four of them.

c ───── d      A morph at x, y is the bilinear mean of its four corners. What is no number (choices, switches,
│  x,y  │      seeds and other whole numbers) is that of the nearest corner.
a ───── b
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realtime.params import PARAMETERS, Parameter, ParameterError

MOST = 256
FILE = "snapshots.json"
OF_THE_MOMENT = ("mute", "a.match", "b.match", "a.lock", "b.lock")
CORNERS = 4
Values = dict[str, Any]


def _is_kept(name: str, row: Parameter) -> bool:
    return (
        row.when in ("block", "frame")
        and not row.local
        and not name.startswith("osc.")
        and name not in OF_THE_MOMENT
        and not name.endswith(".snapshot.store")  # it does something when it changes
    )


class Snapshots:
    """One performer's; kept from one start of the program to the next where they are given a place."""

    def __init__(self, place: Path | None = None, table: Mapping[str, Parameter] = PARAMETERS) -> None:
        """`place` is a directory; what cannot be read there is as if it were not."""
        self._place = place
        self._kept = {name: row for name, row in table.items() if _is_kept(name, row)}
        self._stored: dict[str, Values] = _load(place / FILE, self._kept) if place else {}
        self._corners: tuple[str, ...] = ()

    def store(self, name: str, values: Mapping[str, Any]) -> None:
        if name not in self._stored and len(self._stored) >= MOST:
            raise ParameterError(f"{MOST} snapshots are stored already. Store over one of them.")
        self._stored[name] = {key: values[key] for key in self._kept}
        if self._place:
            _save(self._place, self._stored)

    def recall(self, name: str) -> Values:
        """ParameterError if nothing is stored there."""
        if name not in self._stored:
            known = ", ".join(self._stored) or "none yet"
            raise ParameterError(f"no snapshot {name} ({known}). Send /verdigris/snapshot/store {name} first.")
        return self._stored[name]

    def set_corners(self, names: Sequence[str]) -> None:
        if len(names) != CORNERS:
            raise ParameterError(f"a morph has four corners, {len(names)} were given. Pass four names of snapshots.")
        for name in names:
            self.recall(name)
        self._corners = tuple(names)

    def morph(self, x: float, y: float) -> Values:
        """The values at x, y, 0 … 1 each; ParameterError without corners."""
        if not self._corners:
            raise ParameterError("a morph without corners. Send /verdigris/morph/corners a b c d first.")
        corners = [self.recall(name) for name in self._corners]
        weights = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]
        nearest = corners[(x >= 0.5) + 2 * (y >= 0.5)]
        return {
            name: _mean([corner[name] for corner in corners], weights) if self._kept[name].kind is float else value
            for name, value in nearest.items()
        }


def _mean(values: Sequence[Any], weights: Sequence[float]) -> Any:
    if values[1:] == values[:-1]:
        return values[0]  # to the bit
    if isinstance(values[0], tuple):
        return tuple(_mean(elements, weights) for elements in zip(*values, strict=True))
    return float(sum(weight * value for weight, value in zip(weights, values, strict=True)))


def _load(path: Path, kept: Mapping[str, Parameter]) -> dict[str, Values]:
    """What was saved, of what the table allows today; what is new in it, at its default."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): {key: _allowed(row, values) for key, row in kept.items()} for name, values in found.items()}
    return {}


def _allowed(row: Parameter, values: Mapping[str, Any]) -> Any:
    try:
        return row.parse(values.get(row.name, row.default))
    except ParameterError:
        return row.default


def _save(place: Path, stored: Mapping[str, Values]) -> None:
    """Whole or not at all; ParameterError if it cannot be."""
    new = (place / FILE).with_suffix(".new")
    try:
        place.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(stored), encoding="utf-8")
        new.replace(place / FILE)
    except OSError as error:
        raise ParameterError(
            f"the snapshot is kept for now, and not for the next start ({error.strerror}). Make {place} yours."
        ) from error
