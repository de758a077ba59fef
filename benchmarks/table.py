"""The table of the README: codecs live in slot A, planned and measured, as Markdown."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import soundfile

from benchmarks.latency import lag
from benchmarks.report import machine
from models.load import load, split_path
from realtime.audiofile import Reader
from realtime.demo import CLIP
from realtime.engine import Settings
from realtime.live import play
from realtime.session import Session

CODECS = ("opus:6", "opus:24", "mp3:128", "aac:96", "swift:6", "swift", "nano:continuous", "nano:discrete")
RATE, BLOCK = 48_000, 256
HEADER = (
    "| codec | kbit/s | frame | latency (budget → measured) | × RT, CPU |",
    "|---|--:|--:|--:|--:|",
)


def rows(codecs: Sequence[str] = CODECS, seconds: float = 8.0) -> Iterator[str]:
    """A line of Markdown each; the measured latency is the lag of what was played behind the input."""
    for name in codecs:
        spec = load(split_path(name)[0], rate=RATE).spec
        frame_ms = 1000 / spec.frame_rate
        # CoDiCodec makes its phases up, and its waveform lies nowhere; those with books follow the waveform.
        heard = "dry" if spec.tokens and not spec.books else "a"
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            source = Reader(CLIP, RATE)
            session = Session(
                Settings(RATE, BLOCK, split_path(name), None),
                "clock", BLOCK, source, seconds=seconds, record=place, values={"monitor": heard},
            )  # fmt: skip
            try:
                with redirect_stdout(sys.stderr):  # the console view; the table alone is for the README
                    report = play(session)
            finally:
                source.close()
            played, _ = soundfile.read(place / "monitor.wav", dtype="float32")
            given, _ = soundfile.read(place / "input.wav", dtype="float32")
        planned, measured = report["latency_samples"], lag(played, given)
        latency = f"{1000 * planned / RATE:.1f} ms → {1000 * measured / RATE:.1f} ms"
        load_p50 = report["real_time_factor"]["p50"]
        yield f"| {name} | {report['bitrate_a']:.1f} | {frame_ms:.1f} ms | {latency} | {load_p50:.3f} |"


def show() -> None:
    """Print it, with what it was measured on."""
    lines = list(rows())
    print("\n".join([*HEADER, *lines]))
    print(f"\n{RATE} Hz, block {BLOCK}, one codec in slot A; {machine()}.")
