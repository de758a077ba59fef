"""The report of a session: what happened, in the names of the README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from realtime.engine import Engine
from realtime.timeline import Field
from realtime.wholefile import FileError, WholeFile, reason


def make_report(engine: Engine, taken: int) -> dict[str, Any]:
    """What happened, in the names of ARCHITECTURE and the README."""
    snapshot = engine.snapshot()
    codec = {playing.slot: f"{playing.codec}:{playing.path}" for playing in engine.playing}
    return {
        "sample_rate": engine.settings.rate,
        "latency_samples": engine.plan.latency,
        "latency_terms": engine.plan.terms,
        "codec_a": codec.get(0),
        "codec_b": codec.get(1),
        "real_time_factor": dict(zip(("p50", "p99", "max"), snapshot.load, strict=True)),
        "misses": engine.misses(),
        "seconds": taken / engine.settings.rate,
        "bitrate_a": snapshot.bitrate[0],
        "bitrate_b": snapshot.bitrate[1] if 1 in codec else None,
        "coded_a": snapshot.coded[0] or None,
        "coded_b": snapshot.coded[1] or None,
        "missed_samples": engine.timeline[Field.MISSED],
        "resyncs": snapshot.resyncs,
        "bad_samples": snapshot.bad_samples,
        "restarts": engine.restarts,
        "effects": [
            {
                "place": f"{effect.place}.{effect.number}",
                "effect": effect.spec,
                "latency_samples": effect.latency,
                "bypassed": engine.bypassed(effect),
            }
            for effect in engine.inserted
        ],
    }


def write_report(path: Path, report: dict[str, Any]) -> None:
    """JSON, whole or not at all; FileError if it cannot be written."""
    file = WholeFile(path)
    try:
        file.working.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        file.discard()
        raise FileError(f"{path}: cannot be written ({reason(error)}). Free some space there.") from error
    file.commit()
