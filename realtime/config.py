"""What Verdigris keeps of its user between starts, and where."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from realtime.latency import Plan

INSERT_LATENCY = "insert-latency"  # the plug-in reads it (plugin/place.c): samples, and the rate that they are of


def config_directory() -> Path:
    """Where the user's settings are: XDG_CONFIG_HOME, or what the system has instead."""
    try:
        home = Path.home()
    except RuntimeError:  # a user without one: what is a directory nowhere keeps nothing
        home = Path(os.devnull)
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming") / "verdigris"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "verdigris"
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if Path(base).is_absolute() else home / ".config") / "verdigris"


def keep_insert_latency(plan: Plan) -> int:
    """Have new inserts reserve what was planned, and as much for compute again: samples at the plan's rate.

    A project keeps its latency for years, and the machine is busier on some days. A home that cannot be written is no
    reason to stop.
    """
    latency = plan.latency + plan.terms["compute"]
    _keep(INSERT_LATENCY, f"{latency} {plan.rate}\n")
    return latency


def load_json(name: str) -> dict[str, Any]:
    """What was kept under a name; nothing if that cannot be read."""
    try:
        kept = json.loads((config_directory() / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def keep_json(name: str, kept: dict[str, Any]) -> None:
    """Keep it for the next start; a home that cannot be written is no reason to stop."""
    _keep(name, json.dumps(kept, indent=2) + "\n")


def _keep(name: str, text: str) -> None:
    path = config_directory() / name
    working = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        working.write_text(text, encoding="utf-8")
        working.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            working.unlink()
