"""Report of a take: the stretches in which dry or silence stood in for a slot.

    dropouts.json  sample_rate, start_sample, samples, latency_samples,
                   dropouts: slot, start_sample, end_sample, start_s, end_s, reason

Samples and seconds count from the start of the take, as in `a.wav`; in `monitor.wav` they are
`latency_samples` later. The files of A and B hold also what came too late to be heard.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from realtime.system.atomic_file import AtomicFile
from realtime.timeline.dropout_log import DropoutLog, Stretch
from realtime.timeline.layout import SLOTS, Field, Timeline

REPORT = "dropouts.json"
MAX_LISTED = 10_000  # stretches; further ones are counted


class TakeReport:
    """Stretches of one take. Threads as for Take; `poll` some 10 times a second."""

    def __init__(self, timeline: Timeline, start: int) -> None:
        """Begin at input sample `start`."""
        self._timeline, self._start = timeline, start
        self._log = DropoutLog(timeline)
        self._found: list[Stretch] = []
        self._unlisted = 0

    def poll(self) -> None:
        """Collect the stretches that have ended."""
        for stretch in self._log.poll():
            if stretch.end <= self._start:
                continue
            if len(self._found) < MAX_LISTED:
                self._found.append(stretch)
            else:
                self._unlisted += 1

    def facts(self, end: int) -> dict[str, Any]:
        """Return the report of a take that ends before input sample `end`."""
        self.poll()
        rate, start = self._timeline[Field.RATE], self._start
        stretches = [s for s in (*self._found, *self._log.open()) if s.start < end and s.end > start]
        entries = []
        for stretch in sorted(stretches, key=lambda stretch: (stretch.start, stretch.slot)):
            first, last = max(stretch.start, start) - start, min(stretch.end, end) - start
            entries.append(
                {
                    "slot": SLOTS[stretch.slot],
                    "start_sample": first,
                    "end_sample": last,
                    "start_s": round(first / rate, 6),
                    "end_s": round(last / rate, 6),
                    "reason": stretch.reason,
                }
            )
        facts: dict[str, Any] = {
            "sample_rate": rate,
            "start_sample": start,
            "samples": max(0, end - start),
            "latency_samples": self._timeline[Field.LATENCY],
            "dropouts": entries,
        }
        if unlisted := self._unlisted + self._log.lost:
            facts["unlisted_dropouts"] = unlisted
        return facts

    def write(self, directory: Path, end: int) -> None:
        """Write the report of a take that ends before input sample `end`, whole or not at all.

        OSError if it cannot be written.
        """
        file = AtomicFile(directory / REPORT)
        try:
            file.working.write_text(json.dumps(self.facts(end), indent=1) + "\n", encoding="utf-8")
        except OSError:
            file.discard()
            raise
        file.commit()
