"""Source that plays: shows its position between two answers of the session, and moves it."""

from __future__ import annotations

from functools import partial

from PySide6.QtWidgets import QFileDialog

from gui.model.actions import Actions
from gui.view import View
from realtime.client import Client, ClientState

HOLD_S = 0.8  # after a seek, for which older positions of the session are not shown


class TransportControl:
    """Passes the position to the transport controls at each tick, and their moves to the session."""

    def __init__(self, client: Client, view: View, actions: Actions) -> None:
        self._client, self._view, self._actions = client, view, actions
        self._position = 0.0  # s, as answered last
        self._heard = 0  # input sample that was heard then
        self._hold_until = 0  # sample up to which answers are from before a seek
        controls = view.header.transport
        controls.seeked.connect(self.seek)
        controls.loop_toggled.connect(partial(actions.change, "source.loop"))
        controls.open_pressed.connect(self.open_file)
        controls.input_pressed.connect(partial(actions.change, "source", "input"))

    def open_file(self) -> None:
        """Let the user choose a file, and play it."""
        path, _ = QFileDialog.getOpenFileName(self._view, "An audio file or a tape to play")
        if path:
            self._actions.play_file(path)

    def seek(self, seconds: float) -> None:
        """Go to a position of the file; it is heard one latency later."""
        self._client.send("/verdigris/seek", float(seconds))
        self._note(seconds)
        rings = self._client.rings
        self._hold_until = self._heard + (rings.latency + round(HOLD_S * rings.rate) if rings else 0)

    def on_answer(self) -> None:
        """Note the position that the session has answered."""
        rings = self._client.rings
        if rings and rings.now >= self._hold_until:
            self._note(self._client.transport.position)

    def _note(self, seconds: float) -> None:
        self._position = seconds
        self._heard = self._client.rings.now if self._client.rings else 0

    def show(self) -> None:
        """Show the source and its position. Call at every tick."""
        controls, transport, rings = self._view.header.transport, self._client.transport, self._client.rings
        playing = self._client.state == ClientState.PLAYING
        if not playing or rings is None or transport.length <= 0:
            controls.show_position(self._name(playing), 0.0, 0.0)
            return
        position = self._position + (rings.now - self._heard) / rings.rate
        position = position % transport.length if transport.loop else min(position, transport.length)
        controls.show_position(self._name(playing), max(0.0, position), transport.length)
        controls.show_loop(bool(self._client.values["source.loop"]))

    def _name(self, playing: bool) -> str:
        source = str(self._client.values["source"])
        if not playing:
            source = self._actions.start_settings.values.get("source", "input")
        if source == "input":
            played = str(self._client.device.get("input", "")) if playing else ""
            return f"input · {_file_name(played)}" if played else "input"
        return "loop of the input" if source == "capture" else _file_name(source)


def _file_name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]
