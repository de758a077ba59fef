"""Switching between listening and continuing: steps, over signals that are made here, and misses live."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.codec import Audio
from models.swift.frame_layout import HOP
from realtime.cli.main import main
from tests.codecs.language.test_continuation import new, pedal, played, sound
from tests.codecs.swift.test_swift import clip, encoded

RATE, HOPS = 48_000, 150
T = np.arange(HOPS * HOP) / RATE


def vowels() -> np.ndarray:
    """Return pulses of a gliding pitch through resonances that change, in words with pauses."""
    phase = np.cumsum(120 * (1 + 0.15 * np.sin(2 * np.pi * 1.3 * T))) / RATE
    pulses = np.fft.rfft(np.diff(np.floor(phase), prepend=0))
    hertz = np.fft.rfftfreq(len(T), 1 / RATE)
    made = np.zeros(len(T))
    for number, formants in enumerate(((700, 1200, 2600), (300, 2200, 3000), (500, 900, 2400), (300, 700, 2300))):
        gain = np.prod([1 / (1 - (hertz / f) ** 2 + 0.1j * hertz / f) for f in formants], axis=0)
        made += np.fft.irfft(pulses * gain, len(T)) * (number == (T // 0.2) % 4)
    words = np.convolve(np.sin(2 * np.pi * 2.2 * T) > -0.6, np.ones(480) / 480, "same")
    return 0.5 * made * words / np.abs(made * words).max()


def plucks() -> np.ndarray:
    made = np.zeros(len(T))
    for number, first in enumerate(range(0, len(T), 9600)):
        s, f = T[: len(T) - first], (110, 147, 196, 165)[number % 4]
        made[first:] += sum(np.sin(2 * np.pi * f * k * s + k) * np.exp(-s * (3 + k)) / k for k in range(1, 12))
    return 0.5 * made / np.abs(made).max()


SIGNALS: dict[str, Callable[[], np.ndarray]] = {
    "vowels": vowels,
    "plucks": plucks,
    "vibrato": lambda: 0.3 * np.sin(2 * np.pi * 440 * T + 6 * np.sin(2 * np.pi * 5.5 * T)),
    "chord": lambda: 0.1 * np.sum([np.sin(2 * np.pi * f * T + f) for f in (220, 277, 330, 440)], axis=0),
    "sweep": lambda: 0.3 * np.sin(2 * np.pi * (100 * T + 200 * T * T)),
    "noise": lambda: np.random.default_rng(7).normal(0, 0.1, len(T)),
}


def step(audio: Audio) -> float:
    return float(np.abs(np.diff(audio)).max())


def excess(signal: np.ndarray, start: int) -> float:
    """Return the largest step while it switches at 4 Hz, over that of listening or continuing alone."""
    frames = tuple(encoded(np.tile(signal, (2, 1)).astype(np.float32)))
    alone = sound(frames), sound(played(frames, pedal(start + 1, HOPS), new()))
    switched = sound(played(frames, lambda number: float(number > start and number * 8 // 37.5 % 2), new()))
    return step(switched) / max(map(step, alone))


def test_words_with_pauses_make_no_step_larger_than_their_own() -> None:
    """A frame after silence was coded 6 dB too loud: its books end before so large a difference."""
    assert excess(vowels(), 40) <= 1.1


@pytest.mark.slow
@pytest.mark.parametrize("start", [40, 47])
@pytest.mark.parametrize("name", SIGNALS)
def test_made_signals_make_no_step_larger_than_their_own(name: str, start: int) -> None:
    assert excess(SIGNALS[name](), start) <= 1.1


@pytest.mark.slow
@pytest.mark.parametrize("hertz", [55, 220])
def test_a_single_steady_tone_makes_steps_of_a_third_more_at_most(hertz: int) -> None:
    """Its frames cannot fit in phase at every moment; the criterion of other signals is 1.1."""
    assert excess(0.3 * np.sin(2 * np.pi * hertz * T), 47) <= 1.35


@pytest.mark.slow
@pytest.mark.rig
def test_swift_continues_by_the_clock_without_a_miss(tmp_path: Path) -> None:
    song, report = tmp_path / "song.wav", tmp_path / "report.json"
    soundfile.write(song, np.tile(clip(seconds=5.0), 2).T, RATE)
    live = ["live", "--driver", "clock", "--input", str(song), "--osc", "off", "--a", "swift:12", "--b", "off"]
    live += ["--latency", "12000", "--set", "a.continue=1", "--seconds", "8", "--report", str(report)]
    assert main(live) == 0
    found = json.loads(report.read_text())
    assert found["seconds"] > 7
    assert not any(found["misses"].values()), found
