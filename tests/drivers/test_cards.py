"""Selection of sound cards: by name, last choice, JACK server or system default, and never another
one.
"""

from __future__ import annotations

import builtins
import subprocess
import sys
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from realtime.drivers.portaudio import api as portaudio
from realtime.drivers.portaudio import probe, process_handle, selection, stream
from realtime.drivers.portaudio.api import Device, DeviceError, stable_name
from realtime.drivers.portaudio.callback import StreamState
from realtime.drivers.portaudio.device_process import DeviceRefused
from realtime.drivers.portaudio.probe import DeviceInfo, DeviceRequest, callback_kind, resolve_config
from realtime.drivers.portaudio.process_handle import DeviceProcess
from realtime.drivers.portaudio.selection import DeviceChoice, choose_devices, find_device, load_choice, store_choice
from realtime.drivers.portaudio.stream import BAD_RATE, BUSY, explain_refusal
from tests.conftest import ROOT

ALSA, JACK = "ALSA", "JACK Audio Connection Kit"


def card(name: str, index: int, inputs: int = 2, outputs: int = 2, api: str = ALSA, default: bool = False) -> Device:
    return Device(stable_name(api, name), api, index, inputs, outputs, 48_000, default, default, (0.01, 0.01))


THERE = [
    card("HDA Intel PCH: ALC257 Analog (hw:0,0)", 0, default=True),
    card("Scarlett 2i2 USB: Audio (hw:1,0)", 1),
    card("Scarlett 18i20: Audio (hw:2,0)", 2, 18, 20),
    card("HDMI 0 (hw:0,3)", 3, 0, 8),
]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("JACK_DEFAULT_SERVER", raising=False)
    monkeypatch.setattr(selection, "default_indexes", lambda: (0, 0))


def test_a_stable_name_has_no_number_that_depends_on_plugging_order() -> None:
    assert THERE[1].name == "ALSA:Scarlett 2i2 USB: Audio"
    assert stable_name(JACK, "system") == "JACK:system"
    assert stable_name("Windows WASAPI", "Speakers (USB Audio)") == "WASAPI:Speakers (USB Audio)"


def test_a_device_is_found_by_its_name_or_a_unique_part_of_it() -> None:
    for name in ("ALSA:Scarlett 2i2 USB: Audio", "scarlett 2i2 usb: audio", "2i2"):
        assert find_device(name, THERE, "output") is THERE[1]
    with pytest.raises(DeviceError, match="may be ALSA:Scarlett 2i2 USB: Audio, ALSA:Scarlett 18i20: Audio"):
        find_device("scarlett", THERE, "output")
    with pytest.raises(DeviceError, match=r'no input "Babyface"; there are: ALSA:HDA.*Plug it in or pass one of these'):
        find_device("Babyface", THERE, "input")
    with pytest.raises(DeviceError, match="ALSA:HDMI 0 has no input channels; these have"):
        find_device("HDMI", THERE, "input")


def test_without_a_name_the_system_default_is_used() -> None:
    pair = choose_devices(DeviceChoice(), devices=THERE)
    assert (pair.input, pair.output, pair.selection_reason) == (THERE[0], THERE[0], "the system's default")


def test_a_jack_server_in_the_environment_precedes_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    jack = card("system", 4, api=JACK)
    assert choose_devices(DeviceChoice(), devices=[*THERE, jack]).output is THERE[0]
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "studio")
    assert choose_devices(DeviceChoice(), devices=[*THERE, jack]).output is jack


def test_a_chosen_output_device_is_used_for_input_too() -> None:
    pair = choose_devices(DeviceChoice(output="2i2"), devices=THERE)
    assert pair.input is THERE[1]
    assert choose_devices(DeviceChoice(input="default", output="2i2"), devices=THERE).input is THERE[0]
    assert choose_devices(DeviceChoice(output="HDMI"), devices=THERE).input is THERE[0]


def test_the_last_choice_is_used_again_and_the_default_announced_if_it_is_not_there() -> None:
    store_choice(DeviceChoice("ALSA:Scarlett 2i2 USB: Audio", "ALSA:Scarlett 2i2 USB: Audio"))
    assert choose_devices(DeviceChoice(), devices=THERE).output is THERE[1]
    assert choose_devices(DeviceChoice(), devices=THERE).selection_reason == "as last time"
    replaced = choose_devices(DeviceChoice(), devices=THERE[:1])
    assert replaced.output is replaced.input is THERE[0]
    reason = "the system's default, as ALSA:Scarlett 2i2 USB: Audio of last time is not there"
    assert replaced.selection_reason == reason
    with pytest.raises(DeviceError, match='no output "ALSA:Scarlett 2i2 USB: Audio"'):
        choose_devices(DeviceChoice(output="ALSA:Scarlett 2i2 USB: Audio"), devices=THERE[:1])
    assert choose_devices(DeviceChoice("default", "default"), devices=THERE[:1]).output is THERE[0]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"input": 3}', "\x00"])
def test_a_damaged_file_of_choices_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / "verdigris").mkdir()
    (tmp_path / "verdigris" / "cards.json").write_text(text)
    assert load_choice() == DeviceChoice()


def test_two_devices_have_two_clocks_unless_they_share_a_jack_server() -> None:
    jack = [card("system", 4, api=JACK), card("other", 5, api=JACK)]
    for given, two in (
        (DeviceChoice("2i2", "JACK:system"), True),
        (DeviceChoice("2i2", "HDMI"), True),
        (DeviceChoice("2i2", "2i2"), False),
        (DeviceChoice("JACK:other", "JACK:system"), False),
    ):
        assert choose_devices(given, devices=[*THERE, *jack]).two_clocks is two, given


def test_without_a_device_the_error_says_what_to_do() -> None:
    with pytest.raises(DeviceError, match=r"no sound card.*--driver clock"):
        choose_devices(DeviceChoice(), devices=[])
    with pytest.raises(DeviceError, match=r"no input: none of the cards \(ALSA:HDMI 0\) has input channels"):
        choose_devices(DeviceChoice(), devices=[THERE[3]])


@pytest.mark.parametrize(
    ("able", "asked", "expected"),
    [({44_100, 48_000}, None, 48_000), ({44_100}, None, 48_000), ({48_000, 96_000}, 96_000, 96_000)],
)
def test_a_device_is_opened_at_the_codecs_rate_if_possible(
    monkeypatch: pytest.MonkeyPatch, able: set[int], asked: int | None, expected: int
) -> None:
    monkeypatch.setattr("realtime.drivers.portaudio.selection.list_devices", lambda: THERE)
    monkeypatch.setattr("realtime.drivers.portaudio.probe.supports", lambda card, rate, kind, channels: rate in able)
    assert resolve_config(DeviceRequest(DeviceChoice(), codec_rate=48_000, rate=asked)).rate == expected


@pytest.mark.parametrize(
    ("code", "rates", "message"),
    [
        (BUSY, {48_000}, "ALSA:Scarlett 2i2 USB: Audio is busy: another program holds it"),
        (BAD_RATE, {44_100, 96_000}, r"rate 48000 not offered by .* \(44100, 96000\). Pass --rate 44100."),
        (-9996, {44_100}, "rate 48000 not offered"),  # PortAudio says "invalid device" when it means the rate
        (-9999, {48_000}, "could not be opened"),
    ],
    ids=["busy", "rate", "rate in disguise", "other"],
)
def test_a_refusal_is_one_line(monkeypatch: pytest.MonkeyPatch, code: int, rates: set[int], message: str) -> None:
    monkeypatch.setattr(stream, "supports", lambda card, rate, kind, channels: rate in rates)
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(explain_refusal(Exception("why", code), THERE[1], THERE[1], 48_000, (2, 2)))


def test_a_sounddevice_that_takes_no_compiled_callback_gets_a_python_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = []

    def open_one(*_: Any, compiled: bool = True) -> None:
        if compiled:
            raise AttributeError("module 'sounddevice' has no attribute '_StreamBase'")
        opened.append("python")

    monkeypatch.setattr(probe, "DeviceStream", open_one)
    pair = choose_devices(DeviceChoice(), devices=THERE)
    probe.open_stream(probe.StreamConfig(pair, 48_000, None, (0, 1), (0, 1)), StreamState((0, 1), (0, 1)))
    assert opened == ["python"]


def test_the_kind_of_callback_is_reported_unless_it_is_the_best() -> None:
    for compiled, own_process, words in (
        (True, True, ""),
        (
            False,
            True,
            "Callback: Python, since this sounddevice takes no compiled one: expect more dropouts, in a process",
        ),
        (True, False, "Callback: numba, in the session's own process, since no other could be started"),
        (False, False, "expect more dropouts, in the session's own process"),
    ):
        kind = callback_kind(compiled, own_process)
        said = str(DeviceInfo("ALSA:X", "", "ALSA:X", "as given", 48_000, 256, None, None, kind))
        assert words in said
        assert ("Callback" in said) == bool(words)


def test_if_no_process_starts_the_device_is_served_in_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: BaseProcess) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(SpawnProcess, "start", refuse)
    monkeypatch.setattr(
        process_handle, "run_device", lambda connection, request, known: connection.send(DeviceRefused("here"))
    )
    link = DeviceProcess(DeviceRequest(DeviceChoice(), 48_000), None, in_thread=False)
    with pytest.raises(DeviceError, match="here"):
        link.wait_info()
    link.end()


def test_neither_device_process_nor_session_loads_torch_or_the_sound_library() -> None:
    program = (
        "import sys, realtime.drivers.portaudio.device_process, realtime.session.live_session; "
        "print({'torch', 'sounddevice'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr


def test_without_the_portaudio_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(name: str, *rest: Any) -> Any:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return original(name, *rest)

    original = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", no_library)
    with pytest.raises(DeviceError, match="no PortAudio library: no sound card can be used"):
        portaudio.list_devices()


@pytest.mark.parametrize(("system", "expected"), [("windows", (4, 5)), ("linux", (0, 1))])
def test_the_default_devices_of_windows_are_those_of_wasapi(
    system: str, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    apis = [
        {"name": "MME", "default_input_device": 0, "default_output_device": 1},
        {"name": "Windows WASAPI", "default_input_device": 4, "default_output_device": 5},
    ]
    own = SimpleNamespace(Pa_GetDefaultInputDevice=lambda: 0, Pa_GetDefaultOutputDevice=lambda: 1)
    monkeypatch.setattr(portaudio, "library", lambda: SimpleNamespace(query_hostapis=lambda: apis, _lib=own))
    monkeypatch.setattr(portaudio, "SYSTEM", system)
    assert portaudio.default_indexes() == expected
