"""OSC client of a live session: finds it, mirrors its values, and reconnects to the next one.

See the package.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from realtime.client.connection import Connection
from realtime.client.frame_assembler import FrameAssembler
from realtime.client.model import CodecInfo, EffectControl, Frame, FrameSurprise, Latency, Transport, pairs
from realtime.client.rings import Rings
from realtime.osc.packet import Message
from realtime.parameters.table import PARAMETERS, Parameter, ParameterError, When, element_name, parse
from realtime.system.cli_subprocess import CliProcesses
from realtime.timeline import session_file
from realtime.timeline.dropout_log import stands_in as stands_in
from realtime.timeline.layout import SLOTS, TimelineError
from realtime.timeline.session_file import SessionRecord
from realtime.timeline.telemetry import Telemetry

FILE_POLL_S = 0.1  # between two checks of the session's file
PING_S = 0.5  # between two pings, which renew the lease
QUIT = "/verdigris/quit"  # answered by the end of the connection
SILENT_S = 2.0  # without an answer for this long, a session counts as gone


class ClientState(StrEnum):
    """States of the session that a client follows; the package describes each."""

    ABSENT = "absent"
    LOADING = "loading"
    WARMING_UP = "warming up"
    PLAYING = "playing"
    GONE = "gone"


@dataclass(frozen=True)
class Event:
    """One event of `Client.poll`; the package lists kinds and args."""

    kind: str
    args: tuple[Any, ...] = ()


class Client:
    """Connection to one session, with a mirror of its values.

    The package documents all attributes. One thread.
    """

    def __init__(
        self, pid: int | None = None, *, frames: bool = True, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Follow the session of process `pid`, or the newest one.

        `frames`: subscribe to frames; `clock`: seconds.
        """
        self.state = ClientState.ABSENT
        self.session: SessionRecord | None = None
        self.values: dict[str, Any] = {name: row.default for name, row in PARAMETERS.items()}
        self.table: dict[str, Parameter] = dict(PARAMETERS)
        self.effects: dict[str, str] = {}
        self.codecs: dict[str, CodecInfo] = {}
        self.latency = Latency()
        self.device: dict[str, Any] = {}
        self.rings: Rings | None = None
        self.loudness: dict[str, float] = {}
        self.heard = ""
        self.transport = Transport()
        self._pid = pid
        self._groups = ("params", "loudness", "heard", *(("frames", "tokens", "latents", "surprise") if frames else ()))
        self._frames, self._processes, self._clock = FrameAssembler(), CliProcesses(), clock
        self._names = {row.address: name for name, row in self.table.items()}  # by address
        self._controls: list[EffectControl] = []  # rows of effects received so far
        self._connection: Connection | None = None
        self._events: list[Event] = []
        self._poll_file_at = self._ping_at = self._last_reply = 0.0
        self._file_stamp: tuple[int, int] | None = None  # mtime and inode of the session's file when last read
        self.answers: dict[str, Callable[[tuple[Any, ...]], None]] = {
            "/verdigris/codec": self._on_codec,
            "/verdigris/latency/terms": self._on_latency,
            "/verdigris/latency/slots": self._on_slot_latency,
            "/verdigris/device": self._on_device,
            "/verdigris/rack/controls": self._on_effect_control,
            "/verdigris/out/loudness": self._on_loudness,
            "/verdigris/heard": self._on_heard,
            "/verdigris/rack/changed": lambda args: self._query("/verdigris/rack/controls"),
            "/verdigris/transport": self._on_transport,
            "/verdigris/pong": self._on_pong,
            "/verdigris/done": lambda args: self._emit("done", *args),
            "/verdigris/fail": lambda args: self._emit("fail", *args),
            "/verdigris/error": lambda args: self._emit("error", *args),
        }

    def follow(self, pid: int) -> None:
        """Follow only the session of this process."""
        self._pid = pid
        if self.session and self.session.pid != pid:
            self._disconnect()

    def poll(self) -> list[Event]:
        """Read all messages, find or reconnect to the session, and return events in order.

        Never blocks.
        """
        now = self._clock()
        if now >= self._poll_file_at:
            self._poll_file_at = now + FILE_POLL_S
            self._check_session_file()
            for codec, (have, total) in self._processes.progress("fetch").items():
                self._emit("progress", codec, have, total)
            for command, succeeded, output in self._processes.ended():
                if command[0] == "live":
                    self._emit("done" if succeeded else "fail", "engine", output)
                elif command[0] == "fetch":
                    self._emit(*(("fetched", command[1]) if succeeded else ("fail", "fetch", command[1], output)))
                else:
                    self._emit("answer" if succeeded else "fail", command[0], output)
        if self._connection:
            self._exchange(self._connection, now)
        self._update_state(now)
        events, self._events = self._events, []
        return events

    def set(self, name: str, value: Any) -> None:
        """Set a parameter or one element of a vector (`a.bend.bias.07`); ParameterError if it is
        not allowed.

        `values` changes when the engine confirms the change.
        """
        row = self.table.get(name)
        if row:
            value = row.parse(value)
            self.send(row.address, list(value) if row.size else value)
        else:
            owner, _, element = name.rpartition(".")
            row = self.table.get(owner)
            if not row or not (element.isdecimal() and int(element) < row.size):
                parse(name, value)  # raises the error that lists the known names
                return
            self.send(f"{row.address}/{element_name(row, int(element))}", row.parse_element(value))

    def send(self, address: str, *args: object) -> None:
        """Send an OSC message. Without a session, do nothing.

        Event "error" tells of a message that is lost, since the session has no connection yet or no longer.
        """
        if self._connection:
            try:
                self._connection.request(address, *args)
            except OSError:
                self._disconnect()
        elif self.session:
            self._emit("error", address, "it was not sent: the session is not ready", "Send it again.")

    def _query(self, address: str, *args: object) -> None:
        """Send a message that is sent again with the next connection."""
        if self._connection:
            try:
                self._connection.send(address, *args)
            except OSError:
                self._disconnect()

    @property
    def telemetry(self) -> Telemetry:
        return self.rings.telemetry if self.rings else Telemetry()

    @property
    def misses(self) -> dict[str, int]:
        return self.rings.misses if self.rings else {}

    @property
    def rate(self) -> int:
        return self.rings.rate if self.rings else 0

    def frames(self, slot: str) -> list[Frame]:
        """Return the frames of slot "a" or "b" since the last call, oldest first."""
        return self._frames.take(slot)

    def surprise(self, slot: str) -> list[FrameSurprise]:
        """Return how predictable frames of a slot were that were measured since the last call."""
        return self._frames.take_surprise(slot)

    def start_engine(self, *flags: str) -> int:
        """Start `verdigris live` with these flags in a process of its own that outlives this one;
        return its pid.

        Its end is the event ("done", "engine") or ("fail", "engine", reason).
        """
        return self._processes.start("live", *flags)

    def ask(self, command: str) -> None:
        """Run `verdigris codecs`, `devices` or `effects` in another process; event "answer" brings
        the list.
        """
        self._processes.start(command, "--json")

    def fetch(self, codec: str) -> None:
        """Download the released weights of a codec in another process.

        Events "progress" report it; it ends in "fetched", or in "fail" with "fetch".
        """
        self._processes.start("fetch", codec, "--json")

    def allow_model(self, path: str) -> None:
        """Store the user's consent to run a model of their own, by `verdigris trust` in another process.

        Event "answer" or "fail" brings the outcome.
        """
        self._processes.start("trust", path)

    def quit_engine(self) -> None:
        """End the session with a fade; an engine started here ends also while it loads."""
        if self._connection:
            self.send(QUIT)
        else:  # a loading engine has no port yet
            self._processes.interrupt("live")

    def end_engine(self, patience_s: float = 5.0) -> None:
        """End all processes started here; kill those that still run after `patience_s`.

        The only call that blocks.
        """
        self.quit_engine()
        self._processes.end(patience_s)

    def close(self) -> None:
        """Close the connection and the rings; the session goes on."""
        self._close_connection()
        if self.rings:
            self.rings.close()
            self.rings = None

    def _emit(self, kind: str, *args: Any) -> None:
        self._events.append(Event(kind, args))

    def _check_session_file(self) -> None:
        """Read the session's file again if it changed; without a session, look for one."""
        if self.session is None:
            found = [s for s in session_file.sessions() if self._pid in (None, s.pid)]
            if not found:
                return
            self.session, self._file_stamp = found[0], None
        try:
            status = self.session.path.stat()
            if (status.st_mtime_ns, status.st_ino) == self._file_stamp:
                return
            session = session_file.read(self.session.path)
            self._file_stamp = status.st_mtime_ns, status.st_ino
        except (OSError, ValueError, TypeError):
            session = None
        if session is None:
            self._disconnect()
            return
        self.session = session
        if session.timeline and (self.rings is None or str(self.rings.path) != session.timeline):
            self._open_rings(Path(session.timeline))
        if session.port and self._connection is None:
            self._connect(session.port)
        elif self._connection:
            self._query_model()

    def _open_rings(self, path: Path) -> None:
        """Attach to the timeline of a new stream."""
        try:
            rings = Rings(path)
        except TimelineError:
            self._file_stamp = None  # the stream ended meanwhile: read the file again
            return
        if self.rings:
            self.rings.close()
        self.rings = rings
        self._frames.clear()
        self._emit("stream")

    def _connect(self, port: int) -> None:
        try:
            self._connection = Connection(port)
        except OSError:
            self._file_stamp = None
            return
        self._last_reply = self._clock()
        for group in self._groups:
            self._query("/verdigris/subscribe", group)
        self._query_model()

    def _query_model(self) -> None:
        for slot in SLOTS:
            self._query("/verdigris/codec", slot)
        for what in ("latency/terms", "latency/slots", "device", "rack/controls"):
            self._query(f"/verdigris/{what}")

    def _exchange(self, connection: Connection, now: float) -> None:
        try:
            messages = connection.read()
            if now >= self._ping_at:
                self._ping_at = now + PING_S
                connection.ping()
                connection.send("/verdigris/transport")
        except OSError:
            self._disconnect()
            return
        if messages:
            self._last_reply = now
        for message in messages:
            try:
                self._on_message(message)
            except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:  # of another version
                reason = f"the session's message does not fit: {type(error).__name__}: {error}"
                self._emit("error", message.address, reason, "Use window and session of one version.")

    def _on_message(self, message: Message) -> None:
        played = self.rings.now + self.rings.latency if self.rings else 0
        if self._frames.add(message, self.codecs, played, self.rings.latency if self.rings else 0):
            return
        answer = self.answers.get(message.address)
        if answer:
            answer(message.args)
        elif message.address in self._names and message.args:
            self._on_value(self._names[message.address], message.args)
        else:
            self._emit("message", message.address, message.args)

    def _on_value(self, name: str, args: tuple[Any, ...]) -> None:
        row = self.table[name]
        try:
            value = row.parse(args if row.size else args[0], clamp=True)
        except ParameterError:
            value = args if row.size else args[0]  # `off`, and values of another version
        changed = self.values[name] != value
        self.values[name] = value
        if changed:
            self._emit("value", name, value)
            if row.when == When.LOAD:
                self._query("/verdigris/codec", name[0])
                self._query("/verdigris/latency/slots")

    def _on_pong(self, args: tuple[Any, ...]) -> None:
        match args:
            case (int(number),) if self._connection:
                self._connection.on_pong(number)

    def _on_codec(self, args: tuple[Any, ...]) -> None:
        facts = pairs(args)
        slot = facts.pop("slot")
        before = self.codecs.pop(slot, None)
        if facts["name"] != "off":
            self.codecs[slot] = CodecInfo.from_reply(facts)
        if self.codecs.get(slot) != before:
            self._emit("facts", "codec")

    def _on_latency(self, args: tuple[Any, ...]) -> None:
        self._show_latency(replace(Latency.from_reply(args), slots=self.latency.slots))

    def _on_slot_latency(self, args: tuple[Any, ...]) -> None:
        terms = pairs(args)
        slots = {**self.latency.slots, terms.pop("slot"): terms}
        self._show_latency(replace(self.latency, slots={slot: terms for slot, terms in slots.items() if terms}))

    def _show_latency(self, latency: Latency) -> None:
        if latency != self.latency:
            self.latency = latency
            self._emit("facts", "latency")

    def _on_device(self, args: tuple[Any, ...]) -> None:
        if (device := pairs(args)) != self.device:
            self.device = device
            self._emit("facts", "device")

    def _on_effect_control(self, args: tuple[Any, ...]) -> None:
        """Collect one control of an effect; the last one puts all of them into the table."""
        number, count, *fields = args
        if number <= 1:
            self._controls = []
        if fields:
            self._controls.append(EffectControl.from_reply(fields))
        if number < count:
            return
        rows = {control.row.name: control.row for control in self._controls}
        for control in self._controls:
            self.values[control.row.name] = control.value
        effects = {control.row.name.rpartition(".")[0]: control.effect for control in self._controls}
        if self.table == PARAMETERS | rows and self.effects == effects:
            return
        for name in self.table.keys() - PARAMETERS.keys() - rows.keys():
            del self.values[name]
        self.table, self.effects = PARAMETERS | rows, effects
        self._names = {row.address: name for name, row in self.table.items()}
        self._emit("facts", "effects")

    def _on_loudness(self, args: tuple[Any, ...]) -> None:
        self.loudness = dict(zip(("dry", "a", "b", "monitor"), args, strict=True))

    def _on_heard(self, args: tuple[Any, ...]) -> None:
        (self.heard,) = args
        self._emit("heard", self.heard)

    def _on_transport(self, args: tuple[Any, ...]) -> None:
        source, position, length, loop = args
        self.transport = Transport(source, position, length, bool(loop))
        self._emit("facts", "transport")

    def _update_state(self, now: float) -> None:
        state = self._current_state(now)
        if state != self.state:
            self.state = state
            self._emit("state", state)

    def _current_state(self, now: float) -> ClientState:
        if self.session is None:
            if self._processes.is_running("live"):
                return ClientState.LOADING
            return ClientState.ABSENT if self.state == ClientState.ABSENT else ClientState.GONE
        if self._connection and now - self._last_reply > SILENT_S:
            return ClientState.GONE
        if self.session.state == session_file.LOADING or self._connection is None or self.rings is None:
            return ClientState.LOADING
        was_playing = self.state == ClientState.PLAYING and self.rings.now > 0  # a dropout is not a new warm-up
        return ClientState.PLAYING if self.rings.primed or was_playing else ClientState.WARMING_UP

    def _disconnect(self) -> None:
        """Forget the session but keep its last values; the next `poll` looks for another one.

        Reports the messages that the session may not have read.
        """
        for address in self._connection.unread if self._connection else ():
            if address != QUIT:
                reason = "the connection was lost before the session answered"
                self._emit("error", address, reason, "If it had no effect, send it again.")
        self._close_connection()
        self.session, self._file_stamp, self._poll_file_at = None, None, 0.0

    def _close_connection(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None
