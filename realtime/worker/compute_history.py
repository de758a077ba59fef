"""Compute times of recent sessions on this machine, for the latency planner.

The warm-up measures 8 frames; a session measures thousands, beside the user's other programs. Each
session stores the 99th percentile of its frames, the time and the load of the machine. The planner
weighs recent sessions more, and takes a quantile, so that a single bad one changes little.

On a quiet machine only sessions on a quiet machine count, within QUIET_RATIO of the warm-up, so that
a plan there is that of a fresh configuration, whatever ran before. On a busy machine all sessions
count, up to MAX_RATIO times the warm-up: a larger excess was caused by another program.

    compute.json    {machine: {codec: [[Unix time, seconds per frame, load of the machine], ...]}}
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from realtime.system.platform.folders import config_directory
from realtime.system.platform.machine import load as system_load
from realtime.system.platform.machine import waiting_share
from realtime.system.user_config import load_json, update_json

FILE = "compute.json"
MIN_FRAMES = 200  # fewer frames say too little about the slow ones
KEPT = 12  # sessions of each codec
HALF_LIFE_S = 7 * 24 * 3600.0  # after which a session weighs half
FORGET_S = 60 * 24 * 3600.0  # after which it does not count
QUANTILE = 0.75  # of the sessions, by weight
QUIET_LOAD = 0.5  # programs that want a core, per core; below it a machine is quiet
QUIET_WAIT = 0.05  # part of the last 10 s with a program that waits; below it a machine is quiet, too
QUIET_RATIO = 1.03  # most that a quiet machine plans beyond the warm-up
MAX_RATIO = 3.0  # the same for a busy one


@dataclass(frozen=True)
class SessionRecord:
    """Compute time of one codec in one session."""

    at: float  # Unix time
    seconds: float  # per frame, 99th percentile
    load: float  # of the machine, per core


def machine() -> str:
    """Return a name for this computer, since a home directory may be shared by several."""
    return f"{platform.node()}, {os.cpu_count()} cores"


def machine_load() -> float:
    """Return the programs that wanted a core in the last minute, per core; 0 where unknown, and
    where hardly one has waited for a core in the last seconds: they have ended meanwhile.
    """
    waiting = waiting_share()
    return 0.0 if waiting is not None and waiting < QUIET_WAIT else system_load() / (os.cpu_count() or 1)


class ComputeHistory:
    """History in the user's configuration. `now` is the Unix time, `load` the machine's load."""

    def __init__(self, now: Callable[[], float] = time.time, load: Callable[[], float] | None = None) -> None:
        self._now, self._load = now, load or machine_load

    def seconds(self) -> dict[str, float]:
        """Return seconds per frame by codec as the planner uses them, before its bounds."""
        now, busy = self._now(), self._load() >= QUIET_LOAD
        found = {}
        for codec, records in _records(load_json(FILE, _is_entry)).items():
            counted = [r for r in records if 0 <= now - r.at < FORGET_S and (busy or r.load < QUIET_LOAD)]
            if counted:
                found[codec] = _quantile(counted, now)
        return found

    def clamp_estimate(self, codec: str, measured: float) -> float:
        """Return the seconds per frame to plan with, given the slowest frame of the warm-up."""
        most = MAX_RATIO if self._load() >= QUIET_LOAD else QUIET_RATIO
        return min(max(measured, self.seconds().get(codec, 0.0)), most * measured)

    def store(self, seconds_by_codec: Mapping[str, float]) -> None:
        """Store the compute times of a session that has ended, by codec."""
        if not seconds_by_codec:
            return
        now, load = self._now(), self._load()

        def change(stored: dict[str, Any]) -> dict[str, Any]:
            kept = {codec: [r for r in found if now - r.at < FORGET_S] for codec, found in _records(stored).items()}
            for codec, seconds in seconds_by_codec.items():
                kept[codec] = [*kept.get(codec, []), SessionRecord(now, seconds, load)][-KEPT:]
            rows = {codec: [[r.at, r.seconds, r.load] for r in found] for codec, found in kept.items() if found}
            return {**stored, machine(): rows}

        update_json(FILE, change, _is_entry)


def load() -> dict[str, float]:
    """Return seconds per frame by codec on this machine; unreadable entries are ignored."""
    return ComputeHistory().seconds()


def clamp_estimate(codec: str, measured: float) -> float:
    """Return the seconds per frame to plan with (ComputeHistory)."""
    return ComputeHistory().clamp_estimate(codec, measured)


def store(seconds_by_codec: Mapping[str, float]) -> None:
    """Store seconds per frame by codec (ComputeHistory)."""
    ComputeHistory().store(seconds_by_codec)


def forget() -> bool:
    """Delete the history of all machines. Return False if there was none. OSError if it cannot be deleted."""
    try:
        (config_directory() / FILE).unlink()
    except FileNotFoundError:
        return False
    return True


def _quantile(records: list[SessionRecord], now: float) -> float:
    """Return the QUANTILE of the records by weight; a record weighs half after each HALF_LIFE_S."""
    weights = [(r.seconds, 0.5 ** ((now - r.at) / HALF_LIFE_S)) for r in records]
    left = QUANTILE * sum(weight for _, weight in weights)
    for seconds, weight in sorted(weights):
        left -= weight
        if left <= 0:
            return seconds
    return max(seconds for seconds, _ in weights)


def _records(stored: Mapping[str, Any]) -> dict[str, list[SessionRecord]]:
    """Return the readable records of this machine; those of earlier versions have no load and are left out."""
    found: dict[str, list[SessionRecord]] = {}
    for codec, rows in stored.get(machine(), {}).items():
        readable = [SessionRecord(*map(float, row)) for row in rows if _is_row(row)] if isinstance(rows, list) else []
        if readable:
            found[codec] = readable
    return found


def _is_row(row: Any) -> bool:
    numbers = isinstance(row, list) and len(row) == 3 and all(type(value) in (int, float) for value in row)
    return numbers and 0 < row[1] < float("inf") and row[0] == row[0] and row[2] == row[2]


def _is_entry(name: str, value: Any) -> bool:
    return isinstance(value, dict)
