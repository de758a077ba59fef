"""Engine state, values and events as the widgets show them."""

from __future__ import annotations

import math
import shlex
import time
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from gui.live_feed import LiveFeed
from gui.model.actions import Actions
from gui.model.health import Facts, HealthWatch
from gui.model.message_list import Action, Level
from gui.model.wording import failure
from gui.slot_control import SlotControl
from gui.status_line import StatusLine
from gui.transport_control import TransportControl
from gui.view import View
from gui.widgets import shortcuts
from gui.widgets.popup_table import device_in_words
from realtime.client import Client, ClientState, Event, stands_in

STALLED = "stalled"
SLOTS_BY_CODEC = {f"{slot}.codec": slot for slot in ("a", "b")}
STATES = {
    ClientState.ABSENT: "no engine runs",
    ClientState.LOADING: "loading codecs …",
    ClientState.WARMING_UP: "warming up: sound starts after one latency",
    ClientState.GONE: "engine gone · reconnecting",
    ClientState.PLAYING: "",
    STALLED: "no device: nothing is played until the sound card is back",
}
STAND_IN_S = 0.7  # for which a stand-in for a slot stays on show, however short it was
ERROR_S = 8.0  # for which an error stays in the status line
OFFER_S = 30.0  # for which a message with buttons stays


class EngineView:
    """Passes events of the client to the widgets.

    Call `on_event` for each event, and both `show_` at every tick.
    """

    def __init__(
        self,
        client: Client,
        view: View,
        live_feed: LiveFeed,
        actions: Actions,
        status: StatusLine,
        slots: SlotControl,
        transport: TransportControl,
    ) -> None:
        self._client, self._view, self._live_feed = client, view, live_feed
        self._actions, self._status, self._slots = actions, status, slots
        self._transport = transport
        self._state = ""
        self._health = HealthWatch()
        self._stand_in, self._stand_in_until = "", 0.0
        self.engine_error = ""  # reason why the engine started here has ended

    def on_event(self, event: Event) -> None:
        """Show an event of the client."""
        if event.kind == "stream":
            self._on_stream()
        elif event.kind == "facts":
            self._on_facts(*event.args)
        elif event.kind == "value":
            if self._client.state == ClientState.PLAYING:
                self._actions.on_playing()
            if event.args[0] in SLOTS_BY_CODEC:
                self._slots.on_codec_changed(SLOTS_BY_CODEC[event.args[0]])
            self.show_values()
        elif event.kind == "heard":
            self._on_heard(str(event.args[0]))
        elif event.kind == "done":
            self._on_done(*map(str, event.args[:2]))
        elif event.kind == "fail":
            self._on_fail(*map(str, event.args[:5]))
        elif event.kind == "error":
            self._status.show_message(" ".join(map(str, event.args[1:3])), ERROR_S, Level.BAD)
        elif event.kind == "answer":
            self._on_answer(*event.args)
        elif event.kind == "progress":
            self._slots.on_progress(*event.args)
        elif event.kind == "fetched":
            self._slots.on_fetched(event.args[0], done=True)
            self._client.ask("codecs")

    def _on_stream(self) -> None:
        self._live_feed.start_stream()
        self._slots.on_stream()
        self._actions.on_stream()
        self._actions.send_initial_state()
        self._view.morph.send_corners()

    def _on_facts(self, subject: str) -> None:
        client, view = self._client, self._view
        if subject == "codec":
            self._live_feed.set_codecs()
            for slot in ("a", "b"):
                view.slots.set_codec(slot, client.codecs.get(slot))
                view.bends.set_codec(slot, client.codecs.get(slot))
            view.strip.set_available(set(client.codecs))
            view.show_titles()
        elif subject == "latency":
            view.header.show_latency(client.latency)
            if 0 < client.values["latency"] < client.latency.samples:
                raised = f"latency raised to {client.latency.ms:.0f} ms: these codecs need it here"
                self._status.show_message(raised, ERROR_S)
        elif subject == "effects":
            view.effects.show_effects(client.effects, client.table)
            view.effects.apply_font_sizes()
            shortcuts.use_tab_focus_only(view.effects)
            self._status.watch_addresses(view.effects)
            self.show_values()
            if client.state == ClientState.PLAYING:
                self._actions.on_playing()
        elif subject == "transport":
            self._transport.on_answer()
        elif subject == "device":
            view.header.device.show_name(device_in_words(client.device))

    def _on_done(self, name: str, value: str = "") -> None:
        if name in SLOTS_BY_CODEC:
            self._slots.on_codec_changed(SLOTS_BY_CODEC[name])
        if name == "rack":
            self._status.show_message("the effects have changed")
        if name == "learn":
            self._actions.on_learned(value)
        if name == "record" and value:
            recording = self._client.values["record"]
            folder = Action("Open folder", partial(_open_folder, value))
            text = f"recording to {value}" if recording else f"recorded in {value}"
            self._status.show_message(text, ERROR_S, Level.INFO, () if recording else (folder,))

    def _on_fail(self, name: str, reason: str = "", samples: str = "", ms: str = "", restart: str = "") -> None:
        """Show a failure and what can be done: retry, start again, allow a model to run, or send the
        `restart` command.
        """
        actions: list[Action] = []
        if name in SLOTS_BY_CODEC:
            self._slots.on_failed(SLOTS_BY_CODEC[name], reason)
        elif name == "fetch":
            name, reason = reason, samples
            self._slots.on_fetched(name, done=False)
        elif name == "restart":
            self._slots.on_stream()
        if name == "engine":
            self.engine_error = reason or "no reason was given"
            actions.append(Action("Start again", self._actions.start))
            actions.append(Action("Start safely", self._actions.start_safely))
        command, *args = shlex.split(restart) or [""]
        if command == "verdigris" and args[:1] == ["trust"] and len(args) == 2:
            allow = partial(self._actions.allow_model, args[1], name)
            actions.append(Action(f"Allow {Path(args[1]).name}", allow))
        elif restart:
            actions.append(
                Action(f"Restart with {math.ceil(float(ms))} ms", partial(self._actions.send, command, args))
            )
        elif name in self._actions.requested:
            actions.append(Action("Retry", partial(self._actions.retry, name)))
        self._status.show_message(failure(name, reason), OFFER_S if actions else ERROR_S, Level.BAD, actions)
        if name == "capture":
            self._view.abx.end()  # the comparison is not fair without a loop

    def _on_answer(self, command: str, data: Any) -> None:
        if command == "effects":
            self._view.effects.list_effects(data)
        elif command == "devices":
            self._view.setup.list_devices(data)
        elif command == "trust":
            self._status.show_message(str(data))
            self._actions.on_model_allowed()
        elif command == "codecs":
            self._slots.codecs.rows = tuple(data)

    def _on_heard(self, heard: str) -> None:
        """Show a stand-in, and tell a comparison of it."""
        if stands_in(heard):
            self._stand_in, self._stand_in_until = heard, time.perf_counter() + STAND_IN_S
            self._view.abx.disturb()
        self._show_heard()

    def _show_heard(self) -> None:
        if not stands_in(self._client.heard) and time.perf_counter() >= self._stand_in_until:
            self._stand_in = ""
        self._view.strip.show_heard(self._stand_in)

    def show_values(self) -> None:
        """Show the engine's parameter values in all widgets."""
        view, values = self._view, self._client.values
        if not view.abx.running:
            view.strip.show_path(values["monitor"])
            view.follow_monitor(values["monitor"])
        view.strip.mute.setChecked(bool(values["mute"]))
        view.strip.record.setChecked(bool(values["record"]))
        gains = {slot: values[f"{slot}.match"] for slot in sorted(self._client.codecs)}
        view.strip.show_match(values["match"], gains)
        for page in (view.slots, view.bends, view.effects, view.play, view.mix):
            page.show_values(values)

    def show_state(self) -> None:
        """Show the client's state if it changed; a stream without progress counts as stalled."""
        playing = self._client.state == ClientState.PLAYING
        state = STALLED if playing and self._live_feed.stalled else self._client.state
        if state == self._state:
            return
        before, self._state = self._state, state
        view = self._view
        view.header.show_state(state, STATES[state], state not in (ClientState.ABSENT, ClientState.GONE))
        view.scope.dim(state in (ClientState.GONE, STALLED))
        view.scope.set_message(STATES[state] if state in (ClientState.ABSENT, ClientState.LOADING) else "")
        if state in (ClientState.PLAYING, ClientState.WARMING_UP):
            self.show_values()
        if state == ClientState.PLAYING:
            self._actions.on_playing()
        if state in (ClientState.ABSENT, ClientState.GONE) and before:
            view.abx.end()
            self._actions.on_engine_gone()

    def show_numbers(self) -> None:
        """Show codecs, bitrates, the histogram's note and the hint."""
        view = self._view
        self._slots.show()
        self._transport.show()
        if view.setup.isVisible():
            view.setup.show_level(view.meters.levels)
        self._show_heard()
        view.panels["histogram"].set_note("" if view.scope.blind else self._live_feed.token_note)
        self._status.show_hint(self._hint())
        self._status.show_health(self._health.judge(self._facts(), time.perf_counter()), self._client.rate)

    def _facts(self) -> Facts:
        client, values = self._client, self._client.values
        return Facts(
            state=client.state,
            stalled=client.state == ClientState.PLAYING and self._live_feed.stalled,
            load=client.telemetry.load[0],
            short=self._live_feed.underrunning,
            latency=client.latency.samples,
            rate=client.rate,
            dropouts=client.misses,
            steps=max(values["a.steps"], values["b.steps"]),
            muted=bool(values["mute"]),
            bypassed=bool(values["bypass"]),
        )

    def _hint(self) -> str:
        port = self._client.session.port if self._client.session else 0
        return f"OSC 127.0.0.1:{port}  ·  Space swaps A and B  ·  ? keys" if port else "Ctrl+Return starts the engine"


def _open_folder(path: str) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(path))
