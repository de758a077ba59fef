"""Which sound card is taken: the one that was named or none, the last one, JACK's, the system's."""

from __future__ import annotations

import builtins
import subprocess
import sys
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from realtime.drivers import cardlink, cards, opening, portaudio, stream
from realtime.drivers.border import Border
from realtime.drivers.card import Refused
from realtime.drivers.cardlink import CardLink
from realtime.drivers.cards import Choice, choose, find, recall, remember
from realtime.drivers.opening import Found, Request, callback_kind, plan_opening
from realtime.drivers.portaudio import Card, CardError, stable_name
from realtime.drivers.stream import BAD_RATE, BUSY, explain
from tests.conftest import ROOT

ALSA, JACK = "ALSA", "JACK Audio Connection Kit"


def card(name: str, index: int, inputs: int = 2, outputs: int = 2, api: str = ALSA, default: bool = False) -> Card:
    return Card(stable_name(api, name), api, index, inputs, outputs, 48_000, default, default, (0.01, 0.01))


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
    monkeypatch.setattr(cards, "defaults", lambda: (0, 0))


def test_a_stable_name_has_no_number_that_follows_the_plugging() -> None:
    assert THERE[1].name == "ALSA:Scarlett 2i2 USB: Audio"
    assert stable_name(JACK, "system") == "JACK:system"
    assert stable_name("Windows WASAPI", "Speakers (USB Audio)") == "WASAPI:Speakers (USB Audio)"


def test_a_card_is_found_by_its_name_or_by_a_part_that_only_it_has() -> None:
    for name in ("ALSA:Scarlett 2i2 USB: Audio", "scarlett 2i2 usb: audio", "2i2"):
        assert find(name, THERE, "output") is THERE[1]
    with pytest.raises(CardError, match="may be ALSA:Scarlett 2i2 USB: Audio, ALSA:Scarlett 18i20: Audio"):
        find("scarlett", THERE, "output")
    with pytest.raises(CardError, match=r'no input "Babyface"; there are: ALSA:HDA.*Plug it in or pass one of these'):
        find("Babyface", THERE, "input")
    with pytest.raises(CardError, match="ALSA:HDMI 0 has no input channels; these have"):
        find("HDMI", THERE, "input")


def test_without_a_name_it_is_the_systems_default() -> None:
    pair = choose(Choice(), there=THERE)
    assert (pair.source, pair.sink, pair.why) == (THERE[0], THERE[0], "the system's default")


def test_a_jack_server_in_the_environment_comes_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    jack = card("system", 4, api=JACK)
    assert choose(Choice(), there=[*THERE, jack]).sink is THERE[0]
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "studio")
    assert choose(Choice(), there=[*THERE, jack]).sink is jack


def test_an_output_brings_its_inputs_along() -> None:
    pair = choose(Choice(output="2i2"), there=THERE)
    assert pair.source is THERE[1]
    assert choose(Choice(input="default", output="2i2"), there=THERE).source is THERE[0]
    assert choose(Choice(output="HDMI"), there=THERE).source is THERE[0]


def test_what_was_chosen_is_remembered_and_nothing_else_is_taken_in_its_place() -> None:
    remember(Choice("ALSA:Scarlett 2i2 USB: Audio", "ALSA:Scarlett 2i2 USB: Audio"))
    assert choose(Choice(), there=THERE).sink is THERE[1]
    assert choose(Choice(), there=THERE).why == "as last time"
    with pytest.raises(CardError, match='no output "ALSA:Scarlett 2i2 USB: Audio"'):
        choose(Choice(), there=THERE[:1])
    assert choose(Choice("default", "default"), there=THERE[:1]).sink is THERE[0]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"input": 3}', "\x00"])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, text: str) -> None:
    (tmp_path / "verdigris").mkdir()
    (tmp_path / "verdigris" / "cards.json").write_text(text)
    assert recall() == Choice()


def test_any_two_cards_are_a_pair_with_a_clock_each_unless_one_jack_server_has_both() -> None:
    jack = [card("system", 4, api=JACK), card("other", 5, api=JACK)]
    for given, two in (
        (Choice("2i2", "JACK:system"), True),
        (Choice("2i2", "HDMI"), True),
        (Choice("2i2", "2i2"), False),
        (Choice("JACK:other", "JACK:system"), False),
    ):
        assert choose(given, there=[*THERE, *jack]).two_clocks is two, given


def test_no_card_says_what_to_do() -> None:
    with pytest.raises(CardError, match=r"no sound card.*--driver clock"):
        choose(Choice(), there=[])
    with pytest.raises(CardError, match=r"no input: none of the cards \(ALSA:HDMI 0\) has input channels"):
        choose(Choice(), there=[THERE[3]])


@pytest.mark.parametrize(
    ("able", "asked", "expected"),
    [({44_100, 48_000}, None, 48_000), ({44_100}, None, 48_000), ({48_000, 96_000}, 96_000, 96_000)],
)
def test_a_card_is_opened_at_the_codecs_rate_if_it_can(
    monkeypatch: pytest.MonkeyPatch, able: set[int], asked: int | None, expected: int
) -> None:
    monkeypatch.setattr("realtime.drivers.cards.cards", lambda: THERE)
    monkeypatch.setattr("realtime.drivers.opening.supports", lambda card, rate, kind, channels: rate in able)
    assert plan_opening(Request(Choice(), codec_rate=48_000, rate=asked)).rate == expected


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
        raise AssertionError(explain(Exception("why", code), THERE[1], THERE[1], 48_000, (2, 2)))


def test_a_sounddevice_without_place_for_a_compiled_callback_is_given_a_python_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = []

    def open_one(*_: Any, compiled: bool = True) -> None:
        if compiled:
            raise AttributeError("module 'sounddevice' has no attribute '_StreamBase'")
        opened.append("python")

    monkeypatch.setattr(opening, "CardStream", open_one)
    pair = choose(Choice(), there=THERE)
    opening.open_stream(opening.Opening(pair, 48_000, None, (0, 1), (0, 1)), Border((0, 1), (0, 1)))
    assert opened == ["python"]


def test_what_serves_the_card_is_announced_unless_it_is_the_best_there_is() -> None:
    for compiled, own_process, words in (
        (True, True, ""),
        (
            False,
            True,
            "Callback: Python, since this sounddevice takes no compiled one: expect more misses, in a process",
        ),
        (True, False, "Callback: numba, in the session's own process, since no other could be started"),
        (False, False, "expect more misses, in the session's own process"),
    ):
        kind = callback_kind(compiled, own_process)
        said = str(Found("ALSA:X", "", "ALSA:X", "as given", 48_000, 256, None, None, kind))
        assert words in said
        assert ("Callback" in said) == bool(words)


def test_where_no_process_can_be_started_the_card_is_served_in_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: BaseProcess) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(SpawnProcess, "start", refuse)
    monkeypatch.setattr(cardlink, "serve", lambda connection, request, wanted: connection.send(Refused("here")))
    link = CardLink(Request(Choice(), 48_000), None, in_thread=False)
    with pytest.raises(CardError, match="here"):
        link.wait_found()
    link.end()


def test_neither_the_card_nor_the_session_loads_torch_or_the_sound_library() -> None:
    program = "import sys, realtime.drivers.card, realtime.live; print({'torch', 'sounddevice'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n", done.stderr


def test_without_the_portaudio_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(name: str, *rest: Any) -> Any:
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return original(name, *rest)

    original = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", no_library)
    with pytest.raises(CardError, match="no PortAudio library: no sound card can be used"):
        portaudio.cards()
