"""Effects, bends, bitrate and position by real clicks, checked in telemetry and in the take that was
recorded meanwhile.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.files.audio_writer import AudioWriter
from realtime.parameters.table import PARAMETERS
from tests.support.display.window_rig import Screen, Watcher

pytestmark = [pytest.mark.slow, pytest.mark.rig, pytest.mark.timeout(300)]
RATE, LATENCY = 48_000, 24_000
TONES = (300.0, 700.0, 1500.0, 3100.0)  # Hz, a second of each


def tone(sound: np.ndarray) -> float:
    """Return the strongest frequency of sound [T, C] in Hz."""
    spectrum = np.abs(np.fft.rfft(sound[:, 0] * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * RATE / len(sound))


def test_what_is_clicked_is_in_the_take(screen: Screen, watcher: Watcher, tmp_path: Path) -> None:
    client = watcher.client
    at, random = np.arange(RATE) / RATE, np.random.default_rng(1)
    with AudioWriter(tmp_path / "tones.wav", RATE) as writer:
        for hertz in TONES:
            noise = 0.003 * random.normal(size=RATE)  # so that no two places of the file are alike
            writer.write(np.tile(0.3 * np.sin(2 * np.pi * hertz * at) + noise, (2, 1)).astype(np.float32))
    take = ("--set", f"record.directory={tmp_path / 'take'}", "--set", f"source={tmp_path / 'tones.wav'}")
    screen.engine("--a", "pcm", "--b", "opus:24", "--latency", str(LATENCY), *take)
    watcher.playing()
    screen.window()
    screen.click("record input, A, B and the monitor (R)")
    watcher.until(lambda: client.values["record"])
    watcher.hear(1.0)
    spans: dict[str, tuple[int, int]] = {}

    def note(name: str) -> None:
        """Note the input samples of a second that is heard with what was set."""
        watcher.hear(LATENCY / RATE + 0.3)  # until it has come through
        begin, end = watcher.hear(1.0)
        spans[name] = begin - LATENCY, end - LATENCY

    screen.key("d")
    screen.click("page Effects")
    screen.click("add an effect after a")
    screen.key("Down", "Return")
    watcher.until(lambda: client.effects == {"a.post.1": "gain"})
    screen.click(client.table["a.post.1.db"].help)  # the middle of its slider
    watcher.until(lambda: client.values["a.post.1.db"] < -3)
    decibel = client.values["a.post.1.db"]
    note("gain")
    screen.click("gain: on, or bypassed")
    watcher.until(lambda: client.values["a.post.1.bypass"])
    note("bypassed")
    screen.click("gain: on, or bypassed")
    watcher.until(lambda: not client.values["a.post.1.bypass"])
    screen.click("gain: remove")
    watcher.until(lambda: client.effects == {})
    note("removed")

    screen.click("page Bends")
    screen.click("bends of slot B")
    screen.click("add a bend to slot B")
    screen.key("Down", "Return")
    screen.click(PARAMETERS["b.bend.freeze.on"].help)
    watcher.until(lambda: client.values["b.bend.freeze.on"])
    watcher.hear(LATENCY / RATE + 0.3)
    begin, end = watcher.hear(3.0)
    spans["frozen"] = begin - LATENCY, end - LATENCY
    screen.click(PARAMETERS["b.bend.freeze.on"].help)
    watcher.until(lambda: not client.values["b.bend.freeze.on"])

    screen.click("bitrate of slot B")
    watcher.until(lambda: client.codecs["b"].name != "opus:24")
    chosen = float(client.codecs["b"].name.partition(":")[2])
    watcher.until(lambda: abs(client.telemetry.bitrate[1] - chosen) < 0.15 * chosen)

    (x, y), (wide, high) = screen.report()["position"]
    screen.do("mousemove", str(x + round(wide * 2.3 / 4)), str(y + high // 2), "click", "1")
    assert client.rings
    sought = client.rings.now + LATENCY  # the input sample that comes in now
    watcher.hear(LATENCY / RATE + 0.6)
    mark_end = client.rings.now
    mark = client.rings.read("dry", mark_end - 256, 256).T
    screen.click("record input, A, B and the monitor (R)")
    watcher.until(lambda: not client.values["record"])
    watcher.hear(LATENCY / RATE + 0.5)

    dry, a, b = (soundfile.read(tmp_path / "take" / f"{name}.wav", dtype="float32")[0] for name in ("input", "a", "b"))
    places = [
        place
        for place in np.flatnonzero(dry[: len(dry) - 256, 0] == mark[0, 0])
        if (dry[place : place + 256] == mark).all()
    ]
    start = mark_end - 256 - int(places[-1])  # input sample of the take's first

    def part(sound: np.ndarray, name: str) -> np.ndarray:
        first, last = spans[name]
        return sound[first - start : last - start]

    np.testing.assert_allclose(part(a, "gain"), part(dry, "gain") * 10 ** (decibel / 20), atol=1e-5)
    for name in ("bypassed", "removed"):
        np.testing.assert_array_equal(part(a, name), part(dry, name))
    heard, frozen = (
        [tone(sound[k : k + 12_000]) for k in range(0, 2 * RATE, 12_000)]
        for sound in (part(dry, "frozen"), part(b, "frozen"))
    )
    assert max(heard) > 2 * min(heard)
    assert max(frozen) < 1.1 * min(frozen)
    after = dry[sought - start + RATE // 5 : mark_end - start]
    assert abs(tone(after[:12_000]) - TONES[2]) < 30
