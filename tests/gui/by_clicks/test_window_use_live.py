"""The window under a window manager, used as a musician does: by real clicks and keys, checked in the
engine and in the sound that is heard.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from realtime.client import ClientState, sessions
from realtime.files.audio_writer import AudioWriter
from tests.support.display.window_rig import Screen, Watcher, screen_at

pytestmark = [pytest.mark.slow, pytest.mark.rig, pytest.mark.timeout(300)]
RATE = 48_000
TONES = (300.0, 700.0, 1500.0, 3100.0)  # Hz, of each quarter of the file
QUARTER_S = 3.0


def tone(watcher: Watcher, seconds: float = 0.3) -> float:
    """Return the strongest frequency that is heard now, in Hz."""
    rings = watcher.client.rings
    assert rings
    count = round(seconds * rings.rate)
    heard = rings.read("monitor", rings.now - count, count)[0]
    return float(np.argmax(np.abs(np.fft.rfft(heard * np.hanning(count)))) / seconds)


def near(found: float, wanted: float) -> bool:
    return abs(found - wanted) < 0.03 * wanted


def test_a_click_into_the_position_is_heard(screen: Screen, watcher: Watcher, tmp_path: Path) -> None:
    time_axis = np.arange(round(QUARTER_S * RATE)) / RATE
    with AudioWriter(tmp_path / "tones.wav", RATE) as writer:
        for hertz in TONES:
            writer.write(np.tile(0.3 * np.sin(2 * np.pi * hertz * time_axis), (2, 1)).astype(np.float32))
    screen.engine("--a", "pcm", "--b", "off", "--latency", "9600", "--set", f"source={tmp_path / 'tones.wav'}")
    watcher.playing()
    screen.window()
    screen.until(lambda: screen.report()["time"].endswith("/ 0:12"))
    for quarter in (3, 1):
        (x, y), (wide, high) = screen.report()["position"]
        at = x + round(wide * (quarter + 0.25) / len(TONES))
        screen.do("mousemove", str(at), str(y + high // 2), "click", "1")
        watcher.until(lambda: near(tone(watcher), TONES[quarter]))  # noqa: B023
    screen.click("begin the file again at its end")
    watcher.until(lambda: not watcher.client.values["source.loop"])
    watcher.until(lambda: watcher.client.values["source"] == "input")  # after the end of the file
    watcher.until(lambda: watcher.client.transport.length == 0)


def test_the_path_is_switched_by_a_click_and_by_a_key(screen: Screen, watcher: Watcher) -> None:
    client = watcher.client
    screen.engine("--a", "nano:discrete", "--b", "off", "--latency", "96000")
    watcher.playing()
    screen.window()
    screen.until(lambda: "296 : 1" in screen.report()["figures"]["a"])
    screen.click("slot A: continuous path")
    watcher.until(lambda: "a" in client.codecs and client.codecs["a"].path == "continuous")
    watcher.until(lambda: abs(client.telemetry.bitrate[0] - 24.0) < 0.5)
    screen.until(lambda: "64 : 1" in screen.report()["figures"]["a"])
    screen.key("p")
    watcher.until(lambda: client.codecs["a"].path == "discrete")
    watcher.until(lambda: abs(client.telemetry.bitrate[0] - 5.2) < 0.1)
    watcher.until(lambda: client.heard == "a")
    watcher.hear(0.5)
    rings = client.rings
    assert rings
    heard, slot, dry = (rings.read(name, rings.now - 4800, 4800) for name in ("monitor", "a", "dry"))
    assert np.abs(heard).max() > 1e-3
    assert np.abs(heard - slot).max() < np.abs(heard - dry).max()


def test_a_codec_that_needs_more_latency_plays_after_one_click(screen: Screen, watcher: Watcher) -> None:
    client = watcher.client
    screen.engine("--a", "pcm", "--b", "off")
    watcher.playing()
    screen.window()
    before = client.latency.samples
    screen.choose_codec("A", "opus:32")
    screen.until(lambda: "action 1 of the last message" in screen.report()["places"])
    screen.click("action 1 of the last message")
    watcher.until(lambda: client.latency.samples > before and client.state == ClientState.PLAYING)
    watcher.until(lambda: "a" in client.codecs and client.codecs["a"].name == "opus:32")
    screen.until(lambda: screen.report()["codecs"]["a"].startswith("opus"))


def test_a_name_that_is_typed_without_focus_records_nothing(screen: Screen, watcher: Watcher) -> None:
    screen.engine("--a", "pcm", "--b", "off")
    watcher.playing()
    screen.window()
    screen.do("type", "--delay", "30", "encodec24:random")
    watcher.hear(1.0)
    assert not watcher.client.values["record"]
    assert watcher.client.codecs["a"].name.startswith("pcm")


def test_the_side_panel_opens_after_the_window_was_closed_with_it_shut(screen: Screen, watcher: Watcher) -> None:
    screen.engine("--a", "pcm", "--b", "off")
    watcher.playing()
    window = screen.window()
    for wide in (True, False):
        screen.key("d")
        screen.until(lambda: bool(screen.report()["side"]) == wide)  # noqa: B023
    window.send_signal(signal.SIGTERM)
    assert window.wait(30) == 0
    screen.window()
    screen.key("d")
    screen.until(lambda: screen.report()["side"] > 200)


def test_a_killed_engine_leaves_no_levels_and_no_load(screen: Screen, watcher: Watcher) -> None:
    engine = screen.engine("--a", "opus:24", "--b", "off")
    watcher.playing()
    screen.window()
    screen.until(lambda: screen.report()["levels"] and "RT" in screen.report()["load"])
    os.kill(engine.pid, signal.SIGKILL)
    screen.until(lambda: "reconnecting" in screen.report()["state"])
    screen.until(lambda: screen.report()["levels"] == {} and screen.report()["load"] == "—")


def test_two_windows_have_one_engine_which_starts_again_as_it_was(
    screen: Screen, watcher: Watcher, tmp_path: Path
) -> None:
    client = watcher.client
    screen.window()  # starts an engine
    watcher.playing()
    second = screen.run_window(tmp_path / "second.report")
    screen.until(lambda: (tmp_path / "second.report").exists())
    shown = lambda: json.loads((tmp_path / "second.report").read_text())["levels"]  # noqa: E731
    screen.until(shown)
    assert len(sessions()) == 1
    assert client.session
    first = client.session.pid
    second.send_signal(signal.SIGTERM)  # it covers the first one
    assert second.wait(30) == 0
    watcher.hear(0.5)  # the engine goes on
    screen.key("ctrl+Return")  # stop
    screen.until(lambda: "reconnecting" in screen.report()["state"])
    screen.choose_codec("A", "pcm")
    screen.choose_codec("B", "opus:32")
    screen.until(lambda: "plays once the engine starts" in screen.report()["codecs"]["b"])
    screen.key("ctrl+Return")
    watcher.until(lambda: client.session is not None and client.session.pid != first)
    watcher.playing()
    watcher.until(lambda: [client.values[f"{slot}.codec"] for slot in "ab"] == ["pcm", "opus:32"])
    assert len(sessions()) == 1


@pytest.mark.parametrize(
    ("size", "scale"),
    [
        ((1024, 600), 1.0),
        ((1280, 720), 1.5),
        ((1366, 768), 1.0),
        ((1366, 768), 2.0),
        ((1920, 1080), 1.5),
        ((2560, 1440), 2.0),
    ],
)
def test_the_window_fits_the_screen_and_remembers_its_size(
    size: tuple[int, int], scale: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with screen_at(tmp_path, size, scale) as screen:
        screen.engine("--a", "pcm", "--b", "opus:24")
        window = screen.window(own_size=True)
        screen.until(lambda: screen.report()["levels"])
        report = screen.report()
        assert all(part <= whole for part, whole in zip(report["size"], report["room"], strict=True))
        assert report["clipped"] == []
        screen.key("c")
        screen.until(lambda: screen.report()["compact"] != report["compact"])
        window.send_signal(signal.SIGTERM)
        assert window.wait(30) == 0
        screen.window(own_size=True)
        screen.until(lambda: screen.report()["levels"])
        again = screen.report()
        assert all(part <= whole for part, whole in zip(again["size"], again["room"], strict=True))
        assert again["clipped"] == []
