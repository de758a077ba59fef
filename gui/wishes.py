"""What the player wishes, in the engine's terms; each wish that sets a parameter can be undone."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gui.store import Store
from gui.undo import Undo
from realtime.client import ABSENT, GONE, LOADING, PLAYING, Client
from realtime.params import PARAMETERS, ParameterError

Say = Callable[[str], None]
FLAGS = {  # of `verdigris live`, for parameters that are fixed while a stream runs
    "driver": "--driver",
    "device.input": "--input-device",
    "device.output": "--output-device",
    **{name: f"--{name}" for name in ("rate", "block", "latency", "input")},
}


class Wishes:
    """Knows no widgets. `say` gets a line for the player."""

    def __init__(self, client: Client, store: Store, say: Say) -> None:
        self.client, self.store, self._say = client, store, say
        self.undone = Undo(self._set)
        self.flags: list[str] = []  # of the engine that is started
        self.bindings: dict[str, str] = {}  # addresses of others, and the parameters that they move
        self._learning = ""
        self.ours = False  # whether we started it
        self._pid = 0
        self._again = False  # whether another is to be started when this one has ended

    def hear(self, path: str) -> None:
        """Dry, a, b, delta or ghost."""
        self.change("monitor", path)

    def swap(self) -> None:
        """From A to B, or back."""
        self.hear("b" if self.client.values["monitor"] == "a" else "a")

    def toggle(self, name: str) -> None:
        """Switch a parameter on or off."""
        self.change(name, not self.client.values[name])

    def change(self, name: str, value: Any) -> None:
        """Set a parameter."""
        before = self.client.values.get(name)
        if self._set(name, value):
            self.undone.note(name, before, value)

    def _set(self, name: str, value: Any) -> bool:
        try:
            self.client.set(name, value)
        except ParameterError as error:
            self._say(str(error))
            return False
        return True

    def undo(self) -> None:
        name = self.undone.undo()
        self._say(f"undone: {name}" if name else "nothing to undo")

    def redo(self) -> None:
        name = self.undone.redo()
        self._say(f"done again: {name}" if name else "nothing to do again")

    def neutral(self, slot: str) -> None:
        """Every bend of a slot at its default."""
        for name, row in PARAMETERS.items():
            if name.startswith(f"{slot}.bend.") and not row.local and self.client.values[name] != row.default:
                self.change(name, row.default)

    def learn(self, name: str) -> None:
        """Have the engine bind the next address that it does not know to a parameter."""
        self._learning = name
        self.client.send("/verdigris/learn", name)
        self._say(f"move a control of yours by OSC: it will move {name}")

    def learned(self, address: str) -> None:
        """The engine has."""
        if self._learning:
            self.bindings[address] = self._learning
            self._say(f"{address} moves {self._learning}")
            self._learning = ""

    def greet(self) -> None:
        """Tell an engine what was learned before; have one that we started match levels."""
        if self.ours and self.client.values["match"] == "off":
            self.client.set("match", "follow")
        for address, name in self.bindings.items():
            self.client.send("/verdigris/bind", address, name)

    def send(self, address: str, args: Sequence[object]) -> None:
        """A command."""
        self.client.send(address, *args)

    def begin(self, wanted: Mapping[str, str]) -> None:
        """A stream with these parameters: in the engine that runs, if it can be had there, else in another one."""
        self.flags = [part for name, value in wanted.items() for part in (FLAGS[name], value)]
        if self.client.state == PLAYING and wanted and "input" not in wanted:
            self._say("beginning again …")
            self.client.send("/verdigris/restart", *(part for pair in wanted.items() for part in pair))
        else:
            self.start()

    def start(self, *flags: str) -> None:
        """An engine, with these flags before those that are remembered; one that runs is ended first."""
        if self.client.state in (ABSENT, GONE):
            self._pid = self.client.start_engine(*flags, *self.flags)
            self.ours = True
            self._say("starting the engine …")
        else:
            self._again = True
            self.client.quit_engine()

    def run_or_stop(self) -> None:
        """The large button."""
        if self.client.state in (ABSENT, GONE):
            self.start()
        else:
            self.ours = False
            self.client.quit_engine()

    def leave(self) -> None:
        """The window closes: the engine that we started ends with it, also one that still loads."""
        if not self.ours:
            return
        self.client.quit_engine()
        if self.client.state in (ABSENT, LOADING):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)

    def ended(self) -> None:
        """The engine is gone; if that was for another one, start it."""
        if self._again:
            self._again = False
            self.start()

    def ghost(self) -> None:
        """What A's codec makes up: the same in B with another seed, and the difference."""
        values = self.client.values
        if values["b.codec"] != values["a.codec"]:
            self.change("b.codec", values["a.codec"])
        self.change("b.seed", values["a.seed"] + 1)
        self.change("monitor", "ghost")

    def capture(self, seconds: float) -> None:
        """Play the last seconds over and over."""
        self.client.send("/verdigris/capture", float(seconds))

    def play_file(self, path: str) -> None:
        """Through both codecs, in place of the input; by an engine of its own if none runs."""
        if self.client.state == PLAYING:
            self.change("source", path)
            return
        while "--input" in self.flags:
            at = self.flags.index("--input")
            del self.flags[at : at + 2]
        self.flags += ["--input", path]
        self._say(f"playing {path}")
        self.start()

    def save_preset(self, name: str) -> None:
        """All that can change while a stream runs, under a name."""
        if not name:
            self._say("a preset needs a name: type one")
            return
        values = {
            known: value
            for known, value in self.client.values.items()
            if (row := self.client.table[known]).when in ("block", "frame", "load") and not row.local
        }
        self._say(self.store.save_preset(name, values) or f"preset {name} saved")

    def load_preset(self, name: str) -> None:
        """Set all that is other in it."""
        for known, value in self.store.load_preset(name).items():
            given = tuple(value) if isinstance(value, list) else value
            if known in self.client.table and self.client.values.get(known) != given:
                self.change(known, given)
        self._say(f"preset {name}")
