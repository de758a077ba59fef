"""MIDI: messages as addresses, the clock's tempo, ports by a fake driver, and the mapping page."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton
from shiboken6 import delete

from gui import window_state
from gui.app import application
from gui.midi.midi_clock import LOST_S, PULSES, MidiClock
from gui.midi.midi_controls import control_of, in_words
from gui.midi.midi_input import RESCAN_S, MidiInput, MidoBackend
from gui.model.settings import Settings
from gui.model.tempo_sync import NOTES, SYNCED, TempoSync, frames
from gui.pages.mapping import can_be_learned
from gui.window import Window
from realtime.client import Event
from realtime.osc.learn import Bindings
from realtime.parameters.table import PARAMETERS
from tests.support.gui_rig import FakeClient, nano, opus, play

SEVEN = st.integers(0, 127)
VOICE = st.one_of(
    st.builds(mido.Message, st.just("control_change"), channel=st.integers(0, 15), control=SEVEN, value=SEVEN),
    st.builds(mido.Message, st.just("note_on"), channel=st.integers(0, 15), note=SEVEN, velocity=SEVEN),
    st.builds(mido.Message, st.just("note_off"), channel=st.integers(0, 15), note=SEVEN, velocity=SEVEN),
    st.builds(mido.Message, st.just("pitchwheel"), channel=st.integers(0, 15), pitch=st.integers(-8192, 8191)),
    st.builds(mido.Message, st.just("aftertouch"), channel=st.integers(0, 15), value=SEVEN),
    st.builds(mido.Message, st.just("polytouch"), channel=st.integers(0, 15), note=SEVEN, value=SEVEN),
    st.builds(mido.Message, st.just("program_change"), channel=st.integers(0, 15), program=SEVEN),
)


class FakePort:
    def __init__(self, take: Callable[[Any], None]) -> None:
        self.take, self.open = take, True

    def close(self) -> None:
        self.open = False


class FakeBackend:
    """Driver of the test: `plugged` are its controllers."""

    def __init__(self) -> None:
        self.plugged, self.ports, self.now = ["Pads"], {}, 100.0  # type: ignore[var-annotated]

    def names(self) -> list[str]:
        return self.plugged

    def open(self, name: str, take: Callable[[Any], None]) -> FakePort:
        if name == "busy":
            raise OSError("in use")
        self.ports[name] = FakePort(take)
        return self.ports[name]

    def send(self, kind: str, **values: int) -> None:
        self.ports["Pads"].take(mido.Message(kind, **values))


def sent_last(client: FakeClient) -> tuple[str, tuple[object, ...]]:
    return client.sent[-1]


@pytest.fixture
def driver() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def midi_window(driver: FakeBackend, client: FakeClient, tmp_path: Path) -> Iterator[Window]:
    application((1440, 900))
    midi = MidiInput(lambda: driver, lambda: driver.now)
    made = Window(client, Settings(tmp_path), lambda: client.now, midi)  # type: ignore[arg-type]
    made.apply_font_sizes()
    made.show()
    made.overlays.open_page("Map")
    yield made
    made.close()
    delete(made)


@given(VOICE)
def test_every_voice_message_is_an_address_that_the_engine_can_learn(message: mido.Message) -> None:
    found = control_of(message)
    assert found is not None
    address, value = found
    assert 0 <= value <= 1
    bindings = Bindings(PARAMETERS)
    bindings.learn("gain")
    assert bindings.try_learn(address, (value,))
    named = bindings.value(address, (value,))
    assert named is not None
    assert named[0] == "gain"
    assert in_words(address).startswith(f"MIDI channel {message.channel + 1}, ")


def test_both_ends_of_a_control_are_both_ends_of_the_range() -> None:
    ends = [control_of(mido.Message("control_change", control=7, value=value)) for value in (0, 127)]
    assert ends == [("/midi/1/cc/7", 0.0), ("/midi/1/cc/7", 1.0)]
    bends = [control_of(mido.Message("pitchwheel", pitch=pitch)) for pitch in (-8192, 8191)]
    assert bends == [("/midi/1/bend", 0.0), ("/midi/1/bend", 1.0)]


def test_the_clock_controls_nothing_and_other_addresses_keep_their_name() -> None:
    assert control_of(mido.Message("clock")) is None
    assert in_words("/1/fader3") == "/1/fader3"


@given(st.floats(30, 300), st.integers(0, 2**32 - 1), st.integers(30, 200))
def test_the_tempo_is_that_of_the_clock_despite_its_jitter(tempo: float, seed: int, pulses: int) -> None:
    """Jitter of ± 1 ms, that of a good USB interface, on each pulse."""
    jitter = np.random.default_rng(seed).uniform(-0.001, 0.001, pulses)
    clock, step = MidiClock(), 60 / (tempo * PULSES)
    for number in range(pulses):
        clock.hear("clock", number * step + jitter[number])
    now = (pulses - 1) * step
    assert clock.tempo(now) == pytest.approx(tempo, rel=0.002 / (min(pulses - 1, 2 * PULSES) * step) + 1e-6)
    assert clock.tempo(now + LOST_S + 0.01) == 0.0


def test_a_clock_that_starts_again_is_measured_anew() -> None:
    clock = MidiClock()
    for number in range(60):
        clock.hear("clock", number * 0.02)
    clock.hear("start", 1.25)
    assert clock.tempo(1.25) == 0.0


@given(st.sampled_from(list(NOTES)[1:]), st.floats(20, 400), st.floats(0.002, 1.0), st.sampled_from(SYNCED))
def test_frames_of_a_note_are_the_nearest_and_within_range(note: str, tempo: float, seconds: float, name: str) -> None:
    count, row = frames(note, tempo, seconds, name), PARAMETERS[name]
    assert row.parse(count) == count >= 1
    wanted = NOTES[note] * 60 / tempo
    if 1 <= wanted / seconds <= (row.high or 0):
        assert abs(count * seconds - wanted) <= seconds / 2 + 1e-9


def test_a_synced_bend_follows_the_tempo_and_is_sent_once() -> None:
    sync, codecs = TempoSync(), {"a": nano(), "b": opus()}
    sync.choose("b.bend.stutter.frames", "1/16")
    assert sync.step(0.0, codecs) == {"b.bend.stutter.frames": 6}  # of 20 ms: 125 ms at 120 bpm
    assert sync.step(0.0, codecs) == {}
    assert sync.step(60.0, codecs) == {"b.bend.stutter.frames": 12}
    assert sync.choose("b.bend.stutter.frames", "off") == {"b.bend.stutter.frames": 0}
    assert sync.step(60.0, codecs) == {}


def test_controllers_are_opened_as_they_appear_and_closed_as_they_go(driver: FakeBackend) -> None:
    driver.plugged = ["Midi Through Port-0", "Pads", "busy"]
    midi = MidiInput(lambda: driver, lambda: driver.now)
    assert midi.poll() == {}
    assert midi.ports == ["Pads"]
    assert "busy cannot be opened" in midi.problem
    driver.send("control_change", control=1, value=10)
    driver.send("control_change", control=1, value=127)
    assert midi.poll() == {"/midi/1/cc/1": 1.0}
    pads, driver.plugged = driver.ports["Pads"], []
    driver.now += RESCAN_S
    midi.poll()
    assert (midi.ports, pads.open) == ([], False)


def test_a_machine_without_midi_is_said_so_once() -> None:
    midi = MidiInput(lambda: (_ for _ in ()).throw(OSError("MIDI needs two more packages")))
    midi.poll()
    assert "two more packages" in midi.problem


def test_a_knob_is_learned_and_then_moves_the_parameter(
    midi_window: Window, client: FakeClient, driver: FakeBackend
) -> None:
    play(midi_window, client, 0.2)
    driver.send("control_change", control=21, value=64)
    midi_window.tick()
    assert not [sent for sent in client.sent if sent[0].startswith("/midi")]  # the engine would refuse it
    page = midi_window.view.mapping
    page.parameter.setCurrentText("a.bend.noise")
    QTest.mouseClick(page.learn, Qt.MouseButton.LeftButton)
    assert sent_last(client) == ("/verdigris/learn", ("a.bend.noise",))
    driver.send("control_change", control=21, value=127)
    midi_window.tick()
    assert sent_last(client) == ("/midi/1/cc/21", (1.0,))
    client.events.append(Event("done", ("learn", "/midi/1/cc/21")))
    midi_window.tick()
    assert not page.learn.isChecked()
    assert page.moved.text() == "MIDI channel 1, CC 21: 1.00"
    driver.send("control_change", control=21, value=0)
    midi_window.tick()
    assert sent_last(client) == ("/midi/1/cc/21", (0.0,))
    (unbind,) = [b for b in page.findChildren(QPushButton) if b.accessibleName().startswith("unbind MIDI channel 1")]
    QTest.mouseClick(unbind, Qt.MouseButton.LeftButton)
    assert sent_last(client) == ("/verdigris/bind", ("/midi/1/cc/21",))
    assert midi_window.user_actions.bindings == {}


def test_the_mapping_and_the_tempo_are_remembered(midi_window: Window, client: FakeClient, tmp_path: Path) -> None:
    midi_window.view.mapping.notes["a.bend.stutter.frames"].setCurrentText("1/8")
    midi_window.view.mapping.tempo.setValue(90)
    window_state.save(midi_window, Settings(tmp_path))
    other = Window(FakeClient(), Settings(tmp_path))  # type: ignore[arg-type]
    window_state.restore(other, Settings(tmp_path))
    assert other.controllers.sync.notes == {"a.bend.stutter.frames": "1/8"}
    assert other.controllers.sync.manual == 90
    other.close()
    delete(other)


def test_a_midi_clock_moves_the_synced_bend(midi_window: Window, client: FakeClient, driver: FakeBackend) -> None:
    play(midi_window, client, 0.2)
    midi_window.view.mapping.notes["b.bend.stutter.frames"].setCurrentText("1/16")
    for _ in range(60):
        driver.now += 60 / (75 * PULSES)
        driver.send("clock")
        midi_window.tick()
    assert client.values["b.bend.stutter.frames"] == 10  # of 20 ms: 200 ms at 75 bpm
    assert midi_window.view.mapping.clock.text() == "MIDI clock: 75.0 bpm"


def test_every_number_switch_and_choice_can_be_learned_and_every_button_offers_it(midi_window: Window) -> None:
    offered = {
        midi_window.view.mapping.parameter.itemText(at) for at in range(midi_window.view.mapping.parameter.count())
    }
    bindings = Bindings(PARAMETERS)
    for name in PARAMETERS:
        if can_be_learned(PARAMETERS[name]):
            bindings.learn(name)  # refuses what a fader cannot control
    assert offered == {name for name, row in PARAMETERS.items() if can_be_learned(row)}
    menu = midi_window.learn_menu.menu(midi_window.view.strip.mute)
    menu.actions()[0].trigger()
    assert midi_window.user_actions.learning == "mute"


def test_without_a_sequencer_alsa_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It would write its errors to the terminal, past Python."""
    rtmidi = SimpleNamespace(API_LINUX_ALSA=2, get_compiled_api=lambda: [2, 3])
    monkeypatch.setitem(sys.modules, "rtmidi", rtmidi)
    monkeypatch.setattr("gui.midi.midi_input.SEQUENCER", str(tmp_path / "seq"))
    midi = MidiInput(MidoBackend)
    midi.poll()
    assert "ALSA's sequencer" in midi.problem
    (tmp_path / "seq").touch()
    MidoBackend()


def test_a_virtual_port_of_the_system_is_heard() -> None:
    """Real rtmidi; needs ALSA's sequencer or CoreMIDI."""
    pytest.importorskip("rtmidi")
    try:
        output = mido.open_output("Verdigris test", virtual=True)
    except Exception as error:  # noqa: BLE001 - rtmidi's own
        pytest.skip(f"no MIDI system here: {error}")
    midi = MidiInput(MidoBackend)
    try:
        midi.poll()
        output.send(mido.Message("control_change", control=9, value=127))
        deadline = time.perf_counter() + 10
        while midi.poll() != {"/midi/1/cc/9": 1.0}:
            assert time.perf_counter() < deadline
        assert any("Verdigris test" in port for port in midi.ports)
    finally:
        midi.close()
        output.close()
