"""The README's table: codecs live in slot A, with their planned and measured latency, as Markdown."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import soundfile

from benchmarks.latency import lag
from benchmarks.report import machine
from models.codec import CodecSpec
from models.load import load, split_codec_path
from models.weights_io import releases
from realtime.demo import CLIP
from realtime.engine.engine_settings import Settings
from realtime.files.audio_file import AudioReader
from realtime.session.config import SessionConfig
from realtime.session.live_session import play

CODECS = ("opus:6", "opus:24", "mp3:128", "aac:96", "lyra:6", "swift:6", "swift", "nano:continuous", "nano:discrete")
RATE, BLOCK = 48_000, 256
HEADER = (
    "| codec | kbit/s | frame | latency (budget → measured) | × RT, CPU |",
    "|---|--:|--:|--:|--:|",
)


def split_available(codecs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the codecs whose weights are on this computer, and a note for each other one.

    Nothing is downloaded.
    """
    available, notes = [], []
    for name in codecs:
        family = name.partition(":")[0]
        if family in releases.RELEASES and releases.here(family) is None:
            notes.append(f"{name} was left out: its weights are not on this computer (verdigris codecs).")
        else:
            available.append(name)
    return available, notes


def rows(codecs: Sequence[str] = CODECS, seconds: float = 8.0) -> Iterator[str]:
    """Yield a line of Markdown for each codec.

    The demo clip is played through it for so many seconds. The measured latency is the lag of the
    monitor's recording behind the input's.
    """
    for name in codecs:
        spec = load(split_codec_path(name)[0], rate=RATE).spec
        report, measured = _play(name, "a" if follows_waveform(spec) else "dry", seconds)
        planned = report["latency_samples"]
        latency = f"{1000 * planned / RATE:.1f} ms → {1000 * measured / RATE:.1f} ms"
        load_p50 = report["real_time_factor"]["p50"]
        frame_ms = 1000 / spec.frame_rate
        yield f"| {name} | {report['bitrate_a']:.1f} | {frame_ms:.1f} ms | {latency} | {load_p50:.3f} |"


def follows_waveform(spec: CodecSpec) -> bool:
    """Return whether a codec's output correlates with its input.

    CoDiCodec's does not, because its phases are synthetic.
    """
    return not spec.tokens or spec.books > 0


def _play(name: str, monitor: str, seconds: float) -> tuple[dict[str, Any], int]:
    """Play with a codec in slot A, and return the report and the measured latency in samples."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        source = AudioReader(CLIP, RATE)
        session = SessionConfig(
            Settings(RATE, BLOCK, split_codec_path(name), None),
            "clock", BLOCK, source, seconds=seconds, record=folder, values={"monitor": monitor},
        )  # fmt: skip
        try:
            with redirect_stdout(sys.stderr):  # the console view, so that stdout has the table alone
                report = play(session)
        finally:
            source.close()
        played, _ = soundfile.read(folder / "monitor.wav", dtype="float32")
        given, _ = soundfile.read(folder / "input.wav", dtype="float32")
    return report, lag(played, given)


def show() -> None:
    """Print the table, the machine it was measured on, and the codecs that are left out."""
    available, notes = split_available(CODECS)
    lines = list(rows(available))
    print("\n".join([*HEADER, *lines]))
    print(f"\n{RATE} Hz, block {BLOCK}, one codec in slot A; {machine()}.")
    for note in notes:
        print(note)
