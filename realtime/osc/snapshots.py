"""Snapshots of parameter values: store, recall, and interpolate between four of them.

c ───── d      A morph at x, y is the bilinear interpolation of the four corners. Values that are
│  x,y  │      not float (choices, switches, seeds and other integers) come from the nearest one.
a ───── b
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from realtime.parameters.table import PARAMETERS, Parameter, ParameterError
from realtime.system.state_file import StateFile

MAX_SNAPSHOTS = 256
FILE = "snapshots.json"
TRANSIENT = ("mute", "a.match", "b.match", "a.lock", "b.lock")
CORNERS = 4
MAX_FLOAT32 = 3.4e38
LOG = logging.getLogger("verdigris.osc")
_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{0,15})?")
Values = dict[str, Any]


def _is_kept(name: str, row: Parameter) -> bool:
    return (
        row.changes_live
        and not row.local
        and not name.startswith("osc.")
        and name not in TRANSIENT
        and not name.endswith(".snapshot.store")  # a change of it is an action
    )


class Snapshots:
    """Snapshots by name; saved in a directory, if one is given. Sessions share the file. One thread.

    Names that are numbers compare as numbers: 3, 3.0 and "3" are one snapshot.
    """

    def __init__(
        self,
        directory: Path | None = None,
        table: Mapping[str, Parameter] = PARAMETERS,
        say: Callable[[str], None] = LOG.warning,
    ) -> None:
        """Load the snapshots of a directory; `say` reports damaged ones, which are set aside."""
        self._file = StateFile(directory / FILE, _is_snapshot, say) if directory else None
        self.use_table(table)
        self._stored: dict[str, Values] = {}  # as in the file; a snapshot that leaves the file stays here
        self._unsaved: dict[str, Values] = {}  # of this session, while the file cannot be written
        self._checked: dict[str, tuple[Values, Values]] = {}  # stored values, and those of them that are allowed
        self._stamp: object = None
        self._corners: tuple[str, ...] = ()
        self._refresh()

    def use_table(self, table: Mapping[str, Parameter]) -> None:
        """Keep the parameters of this table from now on."""
        self._kept = {name: row for name, row in table.items() if _is_kept(name, row)}

    def store(self, name: str, values: Mapping[str, Any]) -> None:
        """Store the values under a name; ParameterError if there are too many, or if it is not saved."""
        new = {snapshot_name(name): {key: values[key] for key in self._kept}}
        if self._file is None:
            self._stored = _with(self._stored, new)
            return
        try:
            saved = self._file.update(lambda stored: _with(stored, {**self._unsaved, **new}))
        except OSError as error:
            self._unsaved = _with(self._unsaved, new)
            raise ParameterError(
                f"the snapshot is lost when the program ends ({error.strerror or error}). "
                f"Make {self._file.path.parent} writable."
            ) from error
        self._stored, self._unsaved, self._stamp = {**self._stored, **saved}, {}, self._file.stamp()

    def recall(self, name: str) -> Values:
        """Return a snapshot; ParameterError if there is none of this name.

        Values that are missing or no longer allowed are defaults.
        """
        self._refresh()
        stored, name = {**self._stored, **self._unsaved}, snapshot_name(name)
        found = [known for known in stored if snapshot_name(known) == name]
        if not found:
            known = ", ".join(stored) or "none yet"
            raise ParameterError(f"no snapshot {name} ({known}). Send /verdigris/snapshot/store {name} first.")
        values = stored[name if name in found else found[-1]]
        if name not in self._checked or self._checked[name][0] is not values:
            self._checked[name] = values, {key: _allowed(row, values) for key, row in self._kept.items()}
        return self._checked[name][1]

    def _refresh(self) -> None:
        """Read the file again if another session has written it."""
        if self._file and (stamp := self._file.stamp()) != self._stamp:
            self._stored, self._stamp = {**self._stored, **self._file.load()}, stamp

    def set_corners(self, names: Sequence[str]) -> None:
        if len(names) != CORNERS:
            raise ParameterError(f"a morph has four corners, got {len(names)}. Pass the names of four snapshots.")
        for name in names:
            self.recall(name)
        self._corners = tuple(names)

    def morph(self, x: float, y: float) -> Values:
        """Return the values at x, y, each from 0 to 1; ParameterError if no corners are set."""
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
        return values[0]  # without rounding
    if isinstance(values[0], tuple):
        return tuple(_mean(elements, weights) for elements in zip(*values, strict=True))
    return float(sum(weight * value for weight, value in zip(weights, values, strict=True)))


def snapshot_name(given: object) -> str:
    """Return the name of a snapshot; a number, also as text, is named by its shortest notation."""
    if isinstance(given, str):
        if not _NUMBER.fullmatch(given):
            return given
        return snapshot_name(int(given) if given.isdigit() else float(given))
    if isinstance(given, float) and math.isfinite(given):
        near = given if abs(given) > MAX_FLOAT32 else float(np.float32(given))
        given = int(near) if near.is_integer() else np.float32(near)
    return str(given)


def _with(stored: Mapping[str, Values], new: Mapping[str, Values]) -> dict[str, Values]:
    """Return the snapshots with new ones in the place of those of the same name."""
    names = {snapshot_name(name) for name in new}
    kept = {name: values for name, values in stored.items() if snapshot_name(name) not in names}
    if len(kept) + len(new) > max(MAX_SNAPSHOTS, len(stored)):
        raise ParameterError(f"{MAX_SNAPSHOTS} snapshots are stored already. Overwrite one of them.")
    return {**kept, **new}


def _is_snapshot(name: str, values: Any) -> bool:
    return isinstance(values, dict)


def _allowed(row: Parameter, values: Mapping[str, Any]) -> Any:
    try:
        return row.parse(values.get(row.name, row.default))
    except ParameterError:
        return row.default
