"""The window beside a live engine: real clicks and keys, checked in the engine and in its
recording.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.client import ClientState
from tests.support.display.window_rig import Screen, Watcher
from tests.support.machine_speed import within

pytestmark = [pytest.mark.slow, pytest.mark.rig, pytest.mark.timeout(300)]
RATE = 48_000


def read(path: Path) -> np.ndarray:
    """Return the samples [T, C] of a WAV file."""
    samples: np.ndarray = soundfile.read(path, dtype="float32")[0]
    return samples


def find(part: np.ndarray, whole: np.ndarray) -> int:
    """Return the sample at which `part` occurs exactly in `whole`."""
    places = np.flatnonzero(whole[: len(whole) - len(part), 0] == part[0, 0])
    (found,) = [place for place in places if (whole[place : place + len(part)] == part).all()]
    return int(found)


def test_clicks_and_keys_are_heard(screen: Screen, watcher: Watcher, tmp_path: Path) -> None:
    client = watcher.client
    take = f"record.directory={tmp_path / 'take'}"
    screen.engine("--a", "opus:6", "--b", "opus:24", "--latency", "48000", "--set", take)
    watcher.playing()
    screen.window()
    watcher.until(lambda: "opus" in screen.report()["codecs"]["a"])
    screen.click("record input, A, B and the monitor (R)")
    watcher.until(lambda: client.values["record"])
    watcher.hear(client.latency.ms / 1000)  # what is heard until then came in before it
    spans = []

    screen.key("1")
    spans.append(watcher.span("dry"))
    screen.click("hear slot B")
    spans.append(watcher.span("b"))
    screen.key("4")
    spans.append(watcher.span("delta"))
    screen.click("hear slot A")
    spans.append(watcher.span("a"))
    screen.key("space")
    spans.append(watcher.span("b"))
    screen.choose_codec("B", "pcm")
    watcher.until(lambda: client.codecs["b"].name.startswith("pcm"))
    watcher.hear(1.5)  # until it has taken over
    lossless = watcher.span("b")
    assert client.rings
    then = client.rings.now
    mark = client.rings.read("dry", then - 256, 256).T
    screen.click("hear slot A")  # so that no line of text has the keyboard
    screen.key("r")
    watcher.until(lambda: not client.values["record"])
    watcher.hear(client.latency.ms / 1000 + 0.5)  # a take goes on until all of it has been heard

    for path, rate in (("continuous", 24.0), ("discrete", 5.2)):
        screen.choose_codec("A", f"nano:{path}")
        watcher.until(lambda: "a" in client.codecs and client.codecs["a"].path == path)  # noqa: B023
        watcher.until(lambda: abs(client.telemetry.bitrate[0] - rate) < 0.5)  # noqa: B023

    dry, a, b, monitor = (read(tmp_path / "take" / f"{name}.wav") for name in ("input", "a", "b", "monitor"))
    start = then - 256 - find(mark, dry)  # input sample of the take's first
    paths = {"dry": dry, "a": a, "b": b, "delta": dry - a}
    for path, first, last in spans:
        was = monitor[first - start : last - start]
        delayed = slice(first - client.latency.samples - start, last - client.latency.samples - start)
        np.testing.assert_allclose(was, paths[path][delayed], atol=1e-6, err_msg=path)
        assert np.abs(was).max() > 1e-3, path
    delayed = slice(*(sample - client.latency.samples - start for sample in lossless[1:]))
    np.testing.assert_array_equal(b[delayed], dry[delayed])  # pcm loses nothing
    delayed = slice(*(sample - client.latency.samples - start for sample in spans[1][1:]))
    assert np.abs(b[delayed] - dry[delayed]).max() > 1e-3  # as Opus did


def test_an_abx_test_by_keys_plays_every_x(screen: Screen, watcher: Watcher) -> None:
    client, heard = watcher.client, []
    screen.engine("--a", "opus:6", "--b", "opus:24")
    watcher.playing()
    screen.window()
    watcher.hear(3.0)
    screen.key("d")
    screen.click("page ABX")
    screen.click("begin a blind test, or end it")
    watcher.until(lambda: client.values["a.lock"] > 0)  # the loop, and its seeds
    for number in range(16):
        screen.until(lambda: f"Trial {number + 1} " in screen.report()["abx"])  # noqa: B023
        assert "hidden" in screen.report()["codecs"]["a"]
        screen.key("3")
        screen.until(lambda: screen.report()["may_answer"])
        watcher.hear(0.1)
        heard.append(client.values["monitor"])
        screen.key("4" if heard[-1] == "a" else "5")  # by telemetry, which no listener has
    screen.until(lambda: "16 right of 16" in screen.report()["abx"])
    assert set(heard) == {"a", "b"}
    watcher.until(lambda: (client.values["source"], client.values["match"]) == ("input", "off"))
    screen.until(lambda: "opus" in screen.report()["codecs"]["a"])


def test_killing_the_window_changes_no_sample_and_causes_no_dropout(screen: Screen, tmp_path: Path) -> None:
    flags = ("--a", "opus:24", "--b", "pcm", "--monitor", "delta", "--latency", "24000", "--seconds", "6")

    def take(name: str, watched: bool) -> tuple[np.ndarray, dict[str, int]]:
        report = tmp_path / f"{name}.json"
        engine = screen.engine(*flags, "--record", str(tmp_path / name), "--report", str(report))
        if watched:
            window = screen.window()
            screen.until(lambda: screen.report()["pictures"] > 20)
            window.send_signal(signal.SIGKILL)
        assert engine.wait(60) == 0
        misses = {kind: n for kind, n in json.loads(report.read_text())["misses"].items() if kind != "xrun"}
        return read(tmp_path / name / "monitor.wav"), misses

    for number in range(3):  # where this machine stalls for longer than the latency, either has a hole: again
        alone, watched = (take(f"{name}-{number}", name == "watched") for name in ("alone", "watched"))
        if alone[1] == watched[1] and np.array_equal(alone[0], watched[0]):
            break
    assert alone[1] == watched[1]
    np.testing.assert_array_equal(alone[0], watched[0])


def test_a_killed_engine_is_shown_within_a_second_and_the_next_one_followed(screen: Screen, watcher: Watcher) -> None:
    engine = screen.engine("--a", "pcm", "--b", "off")
    watcher.playing()
    screen.window()
    screen.until(lambda: screen.report()["state"] == "" and "pcm" in screen.report()["codecs"]["a"])
    took: list[float] = []
    for codec in ("opus:6", "mp3:128", "opus:24"):  # three times, since this machine may stall while one is killed
        os.kill(engine.pid, signal.SIGKILL)
        killed = time.time()
        screen.until(lambda: "reconnecting" in screen.report()["state"])
        took.append(screen.report()["at"] - killed)
        watcher.until(lambda: watcher.client.state == ClientState.GONE)
        engine = screen.engine("--a", codec, "--b", "off")
        shown = codec.partition(":")[0]
        screen.until(lambda: screen.report()["state"] == "" and shown in screen.report()["codecs"]["a"])  # noqa: B023
        watcher.playing()
    assert min(took) < 1.0 + 0.3  # its own second, and what the report is late


def test_thirty_ticks_a_second_cost_less_than_a_fifth_of_a_core(screen: Screen, watcher: Watcher) -> None:
    screen.engine("--a", "opus:6", "--b", "opus:24")
    watcher.playing()
    screen.window()
    watcher.hear(4.0)
    found: list[tuple[float, float]] = []
    for _ in range(3):  # what shares a core with another program takes more of its time: the least counts
        before = screen.report()
        watcher.hear(3.0)
        after = screen.report()
        pictures, cost = ((after[name] - before[name]) / (after["at"] - before["at"]) for name in ("pictures", "cpu"))
        found.append((cost, pictures))
    cost, pictures = min(found)
    print(f"{pictures:.1f} pictures a second at {cost:.1%} of a core")
    assert pictures > 10  # 30 where nothing else runs
    within(cost, 0.20, "the window, of a core")


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_ten_minutes_need_no_more_memory_than_one(screen: Screen, watcher: Watcher) -> None:
    minutes = float(os.environ.get("VERDIGRIS_SOAK_MINUTES", "10"))
    screen.engine("--a", "opus:6", "--b", "opus:24")
    watcher.playing()
    screen.window()
    watcher.hear(60.0)
    early = screen.report()["rss"]
    watcher.hear(60.0 * (minutes - 1))
    late = screen.report()["rss"]
    print(f"{early / 2**20:.1f} MiB after one minute, {late / 2**20:.1f} MiB after {minutes:g}")
    assert late - early < 4 * 2**20
