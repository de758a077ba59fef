"""Planned and measured latency, by correlating the recorded output with the input."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.report import Row
from realtime.engine.engine_settings import Settings
from realtime.files.audio_file import AudioReader
from realtime.session.config import SessionConfig
from realtime.session.live_session import play

RATES = (48_000, 44_100, 96_000)
BLOCKS: tuple[int | str, ...] = (32, 64, 100, 256, 441, 1024, "random")


def lag(played: np.ndarray, given: np.ndarray) -> int:
    """Return the samples by which `played` [n, C] is late behind `given`.

    From the peak of their cross-correlation.
    """
    size = len(played) + len(given)
    spectrum = np.fft.rfft(played[:, 0], size) * np.conj(np.fft.rfft(given[:, 0], size))
    return int(np.argmax(np.fft.irfft(spectrum, size)))


def measure(seconds: float = 10.0, codec: str = "pcm:hop=960,rate=48000") -> list[Row]:
    """Return measured less planned latency for every rate and block, live by the clock."""
    rows = []
    for rate, block in itertools.product(RATES, BLOCKS):
        planned, measured = planned_and_measured(rate, block, seconds, codec)
        rows.append(
            Row(f"{codec}, {rate} Hz, block {block}: planned {planned}, off by", measured - planned, "samples", "0")
        )
    return rows


def planned_and_measured(rate: int, block: int | str, seconds: float, codec: str) -> tuple[int, int]:
    """Return the planned and the measured latency in samples.

    Noise is played by the clock with A on the monitor.
    """
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        noise = np.random.default_rng(0).standard_normal((round(seconds * rate), 2)).astype(np.float32) * 0.1
        soundfile.write(place / "noise.wav", noise, rate, subtype="FLOAT")
        source = AudioReader(place / "noise.wav")
        settings = Settings(rate, 1024 if isinstance(block, str) else block, (codec, None), ("pcm", None))
        try:
            report = play(SessionConfig(settings, "clock", block, source, record=place, values={"monitor": "a"}))
        finally:
            source.close()
        played, _ = soundfile.read(place / "monitor.wav", dtype="float32")
        return report["latency_samples"], lag(played, noise)
