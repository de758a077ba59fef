"""Effects, bends, bitrate and position by real clicks, checked in telemetry and in the take that was
recorded meanwhile.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.load import load, split_codec_path
from realtime.files.audio_writer import AudioWriter
from realtime.parameters.table import PARAMETERS
from realtime.worker.codec_lane import CodecLane
from realtime.worker.lane_runner import PREROLL_HOPS
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


BURSTS, HOP = "loss.enter", 256  # the bend's amount; samples of a frame of `pcm`
HELP = PARAMETERS[f"a.bend.{BURSTS}"].help


def rendered(dry: np.ndarray, start: int, run: int, codec: str) -> np.ndarray:
    """Return what a codec [:path] makes offline of sound [T, C], whose first sample is input sample `start`,
    from input sample `run` on, where it took over: it hears a little before that.
    """
    name, path = split_codec_path(codec)
    loaded = load(name, rate=RATE)
    lane = CodecLane(loaded, [(0, path or "discrete")], RATE)
    first = -(-(run - PREROLL_HOPS * lane.hop) // lane.alignment) * lane.alignment
    wet = [audio for _, audio in lane.process(np.ascontiguousarray(dry[first - start :].T))]
    return np.concatenate(wet, axis=1).T[run - first :]


def test_losses_codecs_paths_and_the_loop_are_in_the_take(screen: Screen, watcher: Watcher, tmp_path: Path) -> None:
    client, latency = watcher.client, 96_000
    looped = 0.2 * np.random.default_rng(2).normal(size=(2, round(2.5 * RATE))).astype(np.float32)
    looped[:, RATE // 2 : RATE] *= 0.01
    with AudioWriter(tmp_path / "noise.wav", RATE) as writer:
        writer.write(looped)
    take = ("--set", f"record.directory={tmp_path / 'take'}", "--set", f"source={tmp_path / 'noise.wav'}")
    screen.engine("--a", "pcm", "--b", "off", "--latency", str(latency), *take)
    watcher.playing()
    screen.window()
    watcher.until(lambda: client.transport.length > 0)
    screen.click("record input, A, B and the monitor (R)")
    watcher.until(lambda: client.values["record"])
    spans: dict[str, tuple[int, int, int]] = {}  # first and last input sample, and where the codec's run began

    def note(name: str, seconds: float = 1.0) -> None:
        watcher.hear(latency / RATE + 0.3)
        begin, end = watcher.hear(seconds)
        spans[name] = begin - latency, end - latency, watcher.run_start("a")

    screen.key("d")
    screen.click("page Bends")
    screen.click("add a bend to slot A")
    screen.choose_from_menu("Packet loss")
    screen.click(HELP)  # the middle of its slider
    watcher.until(lambda: client.values[f"a.bend.{BURSTS}"] > 0.2)
    note("lost", 2.0)
    screen.click("Packet loss: on, or bypassed")
    watcher.until(lambda: client.values[f"a.bend.{BURSTS}"] == 0)
    note("whole")
    for codec in ("opus:24", "pcm", "nano:discrete"):
        screen.choose_codec("A", codec)
        watcher.until(lambda: "a" in client.codecs and client.codecs["a"].name == codec.partition(":d")[0])  # noqa: B023
        note(codec)
    screen.click("slot A: continuous path")
    watcher.until(lambda: client.codecs["a"].path == "continuous")
    note("nano:continuous")
    screen.key("p")
    watcher.until(lambda: client.codecs["a"].path == "discrete")
    note("again")
    assert client.rings
    mark_end = client.rings.now
    mark = client.rings.read("dry", mark_end - 256, 256).T
    screen.click("record input, A, B and the monitor (R)")
    watcher.until(lambda: not client.values["record"])
    watcher.hear(latency / RATE + 0.5)

    dry, a = (soundfile.read(tmp_path / "take" / f"{name}.wav", dtype="float32")[0] for name in ("input", "a"))
    count = looped.shape[1]
    np.testing.assert_array_equal(dry[count:], dry[:-count])  # the loop, to the sample
    places = [k for k in np.flatnonzero(dry[:-256, 0] == mark[0, 0]) if (dry[k : k + 256] == mark).all()]
    report = json.loads((tmp_path / "take" / "dropouts.json").read_text())
    start = report["start_sample"]
    assert (mark_end - 256 - start - places[-1]) % count == 0

    def part(sound: np.ndarray, name: str) -> np.ndarray:
        first, last, _ = spans[name]
        return sound[first - start : last - start]

    for name in ("whole", "pcm"):
        np.testing.assert_array_equal(part(a, name), part(dry, name))
    first, last, run = spans["lost"]
    frames = range(first + (run - first) % HOP, last - HOP, HOP)
    ends = [sample - start for sample in frames]
    lost = [k for k in ends if not np.array_equal(a[k : k + HOP], dry[k : k + HOP])]
    assert 0.1 < len(lost) / len(ends) < 0.9
    for k in lost:
        np.testing.assert_array_equal(a[k : k + HOP], a[k - HOP : k])  # the frame before is held
    for name in ("opus:24", "nano:discrete", "nano:continuous", "again"):
        first, last, run = spans[name]
        wet = rendered(dry[: last - start + latency], start, run, "nano:discrete" if name == "again" else name)
        np.testing.assert_allclose(part(a, name), wet[first - run : last - run], atol=1e-4, err_msg=name)
        assert np.abs(part(a, name) - part(dry, name)).max() > 1e-2, name
    both = [rendered(dry[: 3 * RATE], 0, RATE, f"nano:{path}") for path in ("continuous", "discrete")]
    assert np.abs(both[0] - both[1]).max() > 1e-2  # so that each span is of its own path
