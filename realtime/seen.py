"""What computing a frame took in earlier sessions on this machine, for the next start to plan with.

The warm-up hears 8 frames, a session thousands, and beside whatever else the user runs. So the planner takes what was
seen where that is more; never less than the warm-up measured just now, and never more than MOST times it, since what
was slower by more was another program's doing.

    compute.json    {machine: {codec: seconds a frame}}
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping

from realtime.config import keep_json, load_json

FILE = "compute.json"
FRAMES = 200  # fewer tell nothing of the slow ones
MOST = 3.0


def machine() -> str:
    """This computer, for those whose home is on several."""
    return f"{platform.node()}, {os.cpu_count()} cores"


def recall() -> dict[str, float]:
    """Seconds a frame by codec, on this machine; what cannot be read was never seen."""
    kept = load_json(FILE).get(machine())
    kept = kept if isinstance(kept, dict) else {}
    return {name: float(value) for name, value in kept.items() if isinstance(value, int | float) and value > 0}


def refine(codec: str, measured: float) -> float:
    """Seconds a frame to plan with, given the worst of the warm-up."""
    return min(max(measured, recall().get(codec, 0.0)), MOST * measured)


def remember(seen: Mapping[str, float]) -> None:
    """Seconds a frame by codec: more than before is taken at once, less by half of the difference."""
    if seen:
        kept = recall()
        for codec, seconds in seen.items():
            kept[codec] = max(seconds, (kept.get(codec, seconds) + seconds) / 2)
        keep_json(FILE, {**load_json(FILE), machine(): kept})
