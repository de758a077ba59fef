"""How a measurement is told: a table of rows on the screen, or JSON."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One fact: what was measured, how much, in what unit, and what the aim is (if there is one)."""

    name: str
    value: float
    unit: str
    aim: str = ""


def machine() -> str:
    """The machine, for reading numbers beside each other."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def show(rows: list[Row], *, as_json: bool) -> None:
    """Print them."""
    if as_json:
        print(json.dumps({"machine": machine(), "rows": [vars(row) for row in rows]}, indent=2))
        return
    print(machine())
    for row in rows:
        aim = f"   (aim: {row.aim})" if row.aim else ""
        print(f"{row.name:58} {row.value:12.4g} {row.unit:16}{aim}")
