"""Report of a session: latency, dropouts, load and bitrates by name, as docs and tests use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from realtime.engine.engine import Engine
from realtime.system.atomic_file import AtomicFile, FileError, reason
from realtime.timeline.layout import Field
from realtime.timeline.playout import slot_dropouts


def make_report(engine: Engine, taken: int) -> dict[str, Any]:
    """Return the facts of a stream after `taken` input samples. An unused slot has None.

    Bitrates are in kbit/s; the real-time factor is compute time divided by real time.
    """
    snapshot = engine.snapshot()
    codec = {playing.slot: f"{playing.codec}:{playing.path}" for playing in engine.playing}
    return {
        "sample_rate": engine.settings.rate,
        "latency_samples": engine.plan.latency,
        "latency_terms": engine.plan.terms,
        "codec_a": codec.get(0),
        "codec_b": codec.get(1),
        "real_time_factor": dict(zip(("p50", "p99", "max"), snapshot.load, strict=True)),
        "misses": engine.dropouts(),
        "misses_a": slot_dropouts(engine.timeline, 0),
        "misses_b": slot_dropouts(engine.timeline, 1) if 1 in codec else None,
        "seconds": taken / engine.settings.rate,
        "bitrate_a": snapshot.bitrate[0],
        "bitrate_b": snapshot.bitrate[1] if 1 in codec else None,
        "coded_a": snapshot.coded[0] or None,
        "coded_b": snapshot.coded[1] or None,
        "missed_samples": engine.timeline[Field.DROPPED_SAMPLES],
        "missed_samples_a": engine.timeline[Field.DROPPED_SAMPLES_A],
        "missed_samples_b": engine.timeline[Field.DROPPED_SAMPLES_B] if 1 in codec else None,
        "resyncs": snapshot.resyncs,
        "bad_samples": snapshot.bad_samples,
        "restarts": engine.restarts,
        "effects": [
            {
                "place": f"{effect.place}.{effect.number}",
                "effect": effect.spec,
                "latency_samples": effect.latency,
                "bypassed": engine.is_bypassed(effect),
            }
            for effect in engine.effects
        ],
    }


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write a report as JSON, whole or not at all. FileError if it cannot be written."""
    file = AtomicFile(path)
    try:
        file.working.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        file.discard()
        raise FileError(f"{path}: cannot be written ({reason(error)}). Free some space there.") from error
    file.commit()
