"""Output of measurements: a table on the screen, or JSON."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass

from realtime.system.platform.machine import SYSTEM, architecture


@dataclass(frozen=True)
class Row:
    """One measurement: its name, value and unit, and the aim if there is one."""

    name: str
    value: float
    unit: str
    aim: str = ""


def machine() -> str:
    """Return a description of this machine."""
    return f"{os.cpu_count()} cores, {architecture()}, {SYSTEM}, Python {platform.python_version()}"


def show(rows: list[Row], *, as_json: bool) -> None:
    """Print the rows, as JSON or as a table."""
    if as_json:
        print(json.dumps({"machine": machine(), "rows": [vars(row) for row in rows]}, indent=2))
        return
    print(machine())
    for row in rows:
        aim = f"   (aim: {row.aim})" if row.aim else ""
        print(f"{row.name:58} {row.value:12.4g} {row.unit:16}{aim}")
