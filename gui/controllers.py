"""Controllers: passes MIDI to the engine as OSC, and keeps tempo-synced bends in time."""

from __future__ import annotations

from gui.midi.midi_input import MidiInput
from gui.model.actions import Actions
from gui.model.tempo_sync import TempoSync
from gui.pages.mapping import MappingPage


class Controllers:
    """Call `step` at each tick, and `start_stream` for each stream."""

    def __init__(self, actions: Actions, page: MappingPage, midi: MidiInput) -> None:
        self._actions, self._page, self.midi = actions, page, midi
        self.sync = TempoSync()
        page.learn_wanted.connect(actions.learn)
        page.unbound.connect(actions.unbind)
        page.sync_chosen.connect(self._choose)
        page.tempo_chosen.connect(self._set_tempo)

    def start_stream(self) -> None:
        """Send the synced values to a new stream."""
        self.sync.forget()

    def step(self, *, playing: bool) -> None:
        """Send the controls that have moved, and the bends that follow the tempo."""
        actions, page = self._actions, self._page
        for address, value in self.midi.poll().items():
            page.show_moved(address, value)
            if address in actions.bindings or actions.learning:  # the engine refuses an address that is not bound
                actions.client.send(address, float(value))
        tempo = self.midi.tempo
        if playing:
            for name, count in self.sync.step(tempo, actions.client.codecs).items():
                actions.client.set(name, count)
        if page.isVisible():
            page.show_midi(self.midi.ports, self.midi.problem, tempo)
            page.show_bindings(actions.bindings)
            page.show_learning(actions.learning)

    def _choose(self, name: str, note: str) -> None:
        for changed, value in self.sync.choose(name, note).items():
            self._actions.client.set(changed, value)

    def _set_tempo(self, tempo: float) -> None:
        self.sync.manual = tempo

    def state(self) -> dict[str, object]:
        """Return what is saved between runs."""
        return {"notes": dict(self.sync.notes), "tempo": self.sync.manual}

    def restore(self, state: dict[str, object]) -> None:
        """Restore a saved state; unknown names and values are skipped."""
        notes, tempo = state.get("notes"), state.get("tempo")
        for name, note in (notes if isinstance(notes, dict) else {}).items():
            if name in self._page.notes and self._page.notes[name].findText(str(note)) >= 0:
                self._page.notes[name].setCurrentText(str(note))
        if isinstance(tempo, int | float):
            self._page.tempo.setValue(float(min(max(tempo, 0), 1000)))

    def close(self) -> None:
        """Close the MIDI ports."""
        self.midi.close()
