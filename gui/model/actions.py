"""Actions of the user, translated for the engine; changes of parameters can be undone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gui.midi.midi_controls import in_words
from gui.model.settings import Settings
from gui.model.start_settings import RACKS, SAFE, StartSettings
from gui.model.undo import UndoStack
from realtime.client import Client, ClientState, ask_to_stop, is_running
from realtime.parameters.table import PARAMETERS, ParameterError, When

ShowMessage = Callable[[str], None]


class Actions:
    """Actions on the engine of a client. It does not know the widgets."""

    def __init__(self, client: Client, settings: Settings, show_message: ShowMessage) -> None:
        """`show_message` shows a line to the user."""
        self.client, self.settings, self._show_message = client, settings, show_message
        self._undo_stack = UndoStack(self._set)
        self.start_settings = StartSettings()
        self.bindings: dict[str, str] = {}  # parameter by foreign OSC address
        self.requested: dict[str, Any] = {}  # last value of each parameter whose change can fail later
        self._wanted = ""  # parameter that waits for a model to be allowed, or "rack"
        self._added = ("", "")  # place and name of the effect that was added last
        self.learning = ""  # parameter that waits for an address
        self._owns_engine = False  # this window started it
        self._pid = 0  # of that engine
        self._quit_pid = 0  # of the engine that was asked to end last
        self._safe = False  # the engine was started safely
        self._next_flags: tuple[str, ...] | None = None  # of the engine that starts when this one has ended

    def select_monitor(self, path: str) -> None:
        """Monitor dry, a, b, delta or ghost."""
        self.change("monitor", path)

    def toggle(self, name: str) -> None:
        """Switch a parameter on or off."""
        self.change(name, not self.client.values[name])

    def change(self, name: str, value: Any) -> None:
        """Set a parameter, as a step of undo."""
        before = self.client.values.get(name)
        if (row := self.client.table.get(name)) and row.when in (When.LOAD, When.SESSION):
            self.requested[name] = value
        if self._set(name, value):
            self._undo_stack.note(name, before, value)

    def _set(self, name: str, value: Any) -> bool:
        try:
            self.client.set(name, value)
        except ParameterError as error:
            self._show_message(str(error))
            return False
        return True

    def retry(self, name: str) -> None:
        """Request the last value of a parameter again, after it has failed."""
        self._show_message(f"trying again: {self.requested[name]}")
        self._set(name, self.requested[name])

    def allow_model(self, path: str, name: str) -> None:
        """Let a model of the user's run, then request parameter `name`, or the last effect, again."""
        self._wanted = name
        self.client.allow_model(path)

    def on_model_allowed(self) -> None:
        """Request the parameter or the effect whose model may run now."""
        if self._wanted == "rack":
            self.add_effect(*self._added)
        elif self._wanted in self.requested:
            self.retry(self._wanted)
        self._wanted = ""

    def undo(self) -> None:
        name = self._undo_stack.undo()
        self._show_message(f"undone: {name}" if name else "nothing to undo")

    def redo(self) -> None:
        name = self._undo_stack.redo()
        self._show_message(f"redone: {name}" if name else "nothing to redo")

    def take_fewer_steps(self) -> None:
        """Take one decoding step less in the slots that have the most."""
        steps = {name: self.client.values[name] for name in ("a.steps", "b.steps")}
        for name, count in steps.items():
            if count == max(steps.values()) > 1:
                self.change(name, count - 1)

    def reset_bends(self, slot: str) -> None:
        """Set every bend of a slot to its default."""
        for name, row in PARAMETERS.items():
            if (
                name.startswith((f"{slot}.bend.", f"{slot}.continue"))
                and not row.local
                and self.client.values[name] != row.default
            ):
                self.change(name, row.default)

    def learn(self, name: str) -> None:
        """Bind a parameter to the next control of OSC or MIDI that moves; "" stops."""
        self.learning = name
        self.client.send("/verdigris/learn", *filter(None, (name,)))
        if name:
            self._show_message(f"move a control of your OSC or MIDI controller: it will be bound to {name}")

    def unbind(self, address: str) -> None:
        """Remove a binding."""
        if self.bindings.pop(address, None):
            self.client.send("/verdigris/bind", address)

    def on_learned(self, address: str) -> None:
        """Remember the binding that the engine has learned."""
        if self.learning:
            self.bindings[address] = self.learning
            self._show_message(f"{in_words(address)} controls {self.learning}")
            self.learning = ""

    def send_initial_state(self) -> None:
        """Send the remembered bindings to a new stream; match levels in an engine started here."""
        if self._owns_engine and self.client.values["match"] == "off":
            self.client.set("match", "follow")
        for address, name in self.bindings.items():
            self.client.send("/verdigris/bind", address, name)

    def send(self, address: str, args: Sequence[object]) -> None:
        """Send an OSC command."""
        self.client.send(address, *args)

    def say(self, text: str) -> None:
        """Show a message."""
        self._show_message(text)

    def choose_codec(self, slot: str, codec: str) -> None:
        """Remember a codec for the next engine."""
        self.start_settings.choose(f"{slot}.codec", codec)
        self._show_message(f"{codec} plays in {slot.upper()} once the engine starts (Ctrl+Return)")

    def start_with(self, wanted: Mapping[str, str]) -> None:
        """Start a stream with these parameters: restart the running engine if it can, else start
        another one. Codecs stay; `source` is a file.
        """
        self.start_settings.choose_device(wanted)
        if "source" in wanted:
            self.start_settings.choose("source", wanted["source"])
        if self.client.state == ClientState.PLAYING and wanted:
            self._show_message("restarting …")
            restart = {name: value for name, value in wanted.items() if name != "source"}
            if restart:
                self.client.send("/verdigris/restart", *(part for pair in restart.items() for part in pair))
            if "source" in wanted:
                self.change("source", wanted["source"])
        else:
            self.start()

    def start(self, *flags: str) -> None:
        """Start an engine with these flags, by default those of what played last; a running engine
        is ended first.
        """
        gone = [] if flags else self.start_settings.gone()
        flags = flags or tuple(self.start_settings.flags())
        if self.client.state in (ClientState.ABSENT, ClientState.GONE):
            self._pid = self.client.start_engine(*flags)
            self._mark_start(self._pid)
            self._safe = flags == SAFE
            self._owns_engine = True
            without = f" without {', '.join(gone)}: the file is not there any more" if gone else " …"
            self._show_message(f"starting the engine{without}")
        else:
            self._next_flags = flags
            self._quit_engine()

    def add_effect(self, place: str, effect: str) -> None:
        """Add an effect while the engine plays."""
        self._added = place, effect
        self.send("/verdigris/rack/add", self._added)

    def start_with_effect(self, place: str, effect: str) -> None:
        """Start the engine again with one more effect, a file that OSC may not load."""
        self._show_message(f"starting again with {effect}")
        self.start(*self.start_settings.flags(), RACKS[place], effect)

    def start_safely(self) -> None:
        """Start an engine that needs no sound card, with bundled codecs."""
        self.start(*SAFE)

    def on_playing(self) -> None:
        """Note that the engine plays, and what; a safe start leaves the remembered settings as they
        were.
        """
        self._mark_start(0)
        if not self._safe:
            self.start_settings.follow(self.client.values)
            self.start_settings.follow_effects(self.client.effects, self.client.table, self.client.values)

    def start_alone(self, *flags: str) -> None:
        """Start an engine unless one runs or another window starts one; safely if the last start
        has failed.
        """
        if self.client.state != ClientState.ABSENT:
            return
        starting = self.start_settings.starting
        if starting and is_running(starting):
            self._show_message("another window is starting the engine …")
        elif starting and not flags:
            self.start_safely()
            self._show_message("The last start failed: starting without a sound card, with bundled codecs.")
        else:
            self.start(*flags)

    def _mark_start(self, pid: int) -> None:
        """Store the engine whose start has begun, or 0 once one plays, so that the next window knows."""
        if self.start_settings.starting != pid:
            self.start_settings.starting = pid
            self.settings.save({"starting": pid})

    def run_or_stop(self) -> None:
        """Start the engine, or end the running one."""
        if self.client.state in (ClientState.ABSENT, ClientState.GONE):
            self.start()
        else:
            self._owns_engine = False
            self._quit_engine()

    def _quit_engine(self) -> None:
        self._quit_pid = self.client.session.pid if self.client.session else 0
        self.client.quit_engine()

    def on_stream(self) -> None:
        """End the engine that this window is starting if another one plays: it was there first."""
        session = self.client.session
        if not self._owns_engine or session is None or session.pid in (self._pid, self._quit_pid):
            return
        self._owns_engine = False
        if is_running(self._pid):
            self._stop_process()
            self._show_message("an engine was running already: this window follows it")

    def on_window_closed(self) -> None:
        """End the engine that this window started, also while it loads, and no other one."""
        if not self._owns_engine:
            return
        session = self.client.session
        other = session is not None and session.pid != self._pid
        if not other:
            self.client.quit_engine()
        if other or self.client.state in (ClientState.ABSENT, ClientState.LOADING):
            if self.client.state == ClientState.LOADING:
                self._mark_start(0)  # it has not failed
            self._stop_process()

    def _stop_process(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            ask_to_stop(self._pid)

    def on_engine_gone(self) -> None:
        """Start the engine that waits for the end of the previous one, if any."""
        if self._next_flags is not None:
            flags, self._next_flags = self._next_flags, None
            self.start(*flags)

    def ghost(self) -> None:
        """Play A's codec in B with another seed, and monitor the difference."""
        values = self.client.values
        if values["b.codec"] != values["a.codec"]:
            self.change("b.codec", values["a.codec"])
        self.change("b.seed", values["a.seed"] + 1)
        self.change("monitor", "ghost")

    def capture(self, seconds: float) -> None:
        """Loop the last seconds as the source."""
        self.client.send("/verdigris/capture", float(seconds))

    def play_file(self, path: str) -> None:
        """Play a file in place of the input; start an engine for it if none plays."""
        if self.client.state == ClientState.PLAYING:
            self.change("source", path)
            return
        self.start_settings.choose("source", path)
        self._show_message(f"playing {path}")
        self.start()

    def save_preset(self, name: str) -> None:
        """Save all values that can change while a stream runs."""
        if not name:
            self._show_message("a preset needs a name: type one")
            return
        values = {
            known: value
            for known, value in self.client.values.items()
            if (row := self.client.table[known]).when not in (When.SESSION, When.RESTART) and not row.local
        }
        self._show_message(self.settings.save_preset(name, values) or f"preset {name} saved")
        self.show_remarks()

    def load_preset(self, name: str) -> None:
        """Set the values of a preset that differ from the current ones."""
        stored = self.settings.load_preset(name)
        for known, value in stored.items():
            given = tuple(value) if isinstance(value, list) else value
            if known in self.client.table and self.client.values.get(known) != given:
                self.change(known, given)
        self._show_message(f"preset {name} loaded" if stored else f"there is no preset {name}: choose one of the list")
        self.show_remarks()

    def show_remarks(self) -> None:
        """Show what the settings have reported about damaged files."""
        if self.settings.remarks:
            self._show_message(" ".join(self.settings.remarks))
            self.settings.remarks.clear()
