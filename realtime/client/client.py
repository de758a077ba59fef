"""The client: finds a session, follows it, and takes up the next one when it is gone. `__init__.py` says it all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realtime import sessions
from realtime.client.connection import Connection
from realtime.client.facts import CodecFacts, EffectControl, Frame, Latency, pairs
from realtime.client.frames import Frames
from realtime.client.programs import Programs
from realtime.client.rings import Rings
from realtime.osc.packet import Message
from realtime.params import PARAMETERS, Parameter, ParameterError, element_name, parse
from realtime.sessions import Session
from realtime.telemetry import Telemetry
from realtime.timeline import SLOTS, TimelineError

ABSENT, LOADING, WARMING, PLAYING, GONE = "absent", "loading", "warming up", "playing", "gone"
LOOK_S = 0.1  # between two looks at the session's file
PING_S = 0.5  # between two pings, which renew the lease
SILENT_S = 2.0  # a session that has answered nothing for so long is gone


@dataclass(frozen=True)
class Event:
    """`kind` and `args`: see the package."""

    kind: str
    args: tuple[Any, ...] = ()


class Client:
    """See the package. One thread."""

    def __init__(self, pid: int | None = None, *, frames: bool = True) -> None:
        """`pid`: of the one session to follow; else the newest. Without `frames`, none are asked for."""
        self.state = ABSENT
        self.session: Session | None = None
        self.values: dict[str, Any] = {name: row.default for name, row in PARAMETERS.items()}
        self.table: dict[str, Parameter] = dict(PARAMETERS)
        self.effects: dict[str, str] = {}
        self.codecs: dict[str, CodecFacts] = {}
        self.latency = Latency()
        self.device: dict[str, Any] = {}
        self.rings: Rings | None = None
        self.loudness: dict[str, float] = {}
        self._pid, self._groups = pid, ("params", "loudness", *(("frames", "tokens", "latents") if frames else ()))
        self._frames, self._programs = Frames(), Programs()
        self._names = {row.address: name for name, row in self.table.items()}  # by address
        self._controls: list[EffectControl] = []  # of effects, while they come
        self._connection: Connection | None = None
        self._events: list[Event] = []
        self._look_at = self._ping_at = self._heard = 0.0
        self._seen: tuple[int, int] | None = None  # of the session's file
        self._answers: dict[str, Callable[[tuple[Any, ...]], None]] = {
            "/verdigris/codec": self._hear_codec,
            "/verdigris/latency/terms": self._hear_latency,
            "/verdigris/device": self._hear_device,
            "/verdigris/rack/controls": self._hear_control,
            "/verdigris/out/loudness": self._hear_loudness,
            "/verdigris/pong": lambda args: None,
            "/verdigris/done": lambda args: self._tell("done", *args),
            "/verdigris/fail": lambda args: self._tell("fail", *args),
            "/verdigris/error": lambda args: self._tell("error", *args),
        }

    def follow(self, pid: int) -> None:
        """The session of this process, and no other."""
        self._pid = pid
        if self.session and self.session.pid != pid:
            self._lose()

    def poll(self) -> list[Event]:
        """Take in what has come, find or find again what is to be followed; what happened, in order. Never waits."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._look()
            for command, well, said in self._programs.ended():
                if command[0] == "live":
                    self._tell("done" if well else "fail", "engine", said)
                else:
                    self._tell("answer" if well else "fail", command[0], said)
        if self._connection:
            self._converse(self._connection, now)
        self._judge(now)
        events, self._events = self._events, []
        return events

    def set(self, name: str, value: Any) -> None:
        """Set a parameter, or one element of a vector (`a.bend.bias.07`); `values` has it when the engine has it."""
        row = self.table.get(name)
        if row:
            value = row.parse(value)
            self.send(row.address, list(value) if row.size else value)
        else:
            owner, _, element = name.rpartition(".")
            row = self.table.get(owner)
            if not row or not (element.isdecimal() and int(element) < row.size):
                parse(name, value)  # which says what there is
                return
            self.send(f"{row.address}/{element_name(row, int(element))}", row.parse_element(value))

    def send(self, address: str, *args: object) -> None:
        """Send a message; nothing while there is no session."""
        if self._connection:
            try:
                self._connection.send(address, *args)
            except OSError:
                self._lose()

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
        """What slot "a" or "b" has sent since the last call, oldest first."""
        return self._frames.take(slot)

    def start_engine(self, *flags: str) -> int:
        """Start `verdigris live` with these flags; its pid. It goes on when we end; if it cannot start, event fail."""
        return self._programs.start("live", *flags)

    def ask(self, command: str) -> None:
        """Ask for what `verdigris codecs` or `verdigris devices` lists: event answer, with it, when it is there."""
        self._programs.start(command, "--json")

    def quit_engine(self) -> None:
        """End the session that is followed; the one that was started here even while it loads."""
        if self._connection:
            self.send("/verdigris/quit")
        else:  # it has no port yet
            self._programs.interrupt("live")

    def end_engine(self, patience_s: float = 5.0) -> None:
        """End what was started here, and wait for that: politely, then by force. The one call that waits."""
        self.quit_engine()
        self._programs.end(patience_s)

    def close(self) -> None:
        """Let go of everything; the session goes on."""
        self._drop()
        if self.rings:
            self.rings.close()
            self.rings = None

    def _tell(self, kind: str, *args: Any) -> None:
        self._events.append(Event(kind, args))

    def _look(self) -> None:
        """See whether the session's file is new; without one, look for a session."""
        if self.session is None:
            found = [s for s in sessions.sessions() if self._pid in (None, s.pid)]
            if not found:
                return
            self.session, self._seen = found[0], None
        try:
            facts = self.session.path.stat()
            if (facts.st_mtime_ns, facts.st_ino) == self._seen:
                return
            session = sessions.read(self.session.path)
            self._seen = facts.st_mtime_ns, facts.st_ino
        except (OSError, ValueError, TypeError):
            session = None
        if session is None:
            self._lose()
            return
        self.session = session
        if session.timeline and (self.rings is None or str(self.rings.path) != session.timeline):
            self._take_up(Path(session.timeline))
        if session.port and self._connection is None:
            self._connect(session.port)
        elif self._connection:
            self._ask_facts()

    def _take_up(self, path: Path) -> None:
        """Another stream."""
        try:
            rings = Rings(path)
        except TimelineError:
            self._seen = None  # it is gone again; look once more
            return
        if self.rings:
            self.rings.close()
        self.rings = rings
        self._frames.clear()
        self._tell("stream")

    def _connect(self, port: int) -> None:
        try:
            self._connection = Connection(port)
        except OSError:
            self._seen = None
            return
        self._heard = time.monotonic()
        for group in self._groups:
            self.send("/verdigris/subscribe", group)
        self._ask_facts()

    def _ask_facts(self) -> None:
        for slot in SLOTS:
            self.send("/verdigris/codec", slot)
        self.send("/verdigris/latency/terms")
        self.send("/verdigris/device")
        self.send("/verdigris/rack/controls")

    def _converse(self, connection: Connection, now: float) -> None:
        try:
            messages = connection.read()
            if now >= self._ping_at:
                self._ping_at = now + PING_S
                connection.send("/verdigris/ping")
        except OSError:
            self._lose()
            return
        if messages:
            self._heard = now
        for message in messages:
            self._hear(message)

    def _hear(self, message: Message) -> None:
        played = self.rings.now + self.rings.latency if self.rings else 0
        if self._frames.hear(message, self.codecs, played, self.rings.latency if self.rings else 0):
            return
        answer = self._answers.get(message.address)
        if answer:
            answer(message.args)
        elif message.address in self._names and message.args:
            self._hear_value(self._names[message.address], message.args)
        else:
            self._tell("message", message.address, message.args)

    def _hear_value(self, name: str, args: tuple[Any, ...]) -> None:
        row = self.table[name]
        try:
            value = row.parse(args if row.size else args[0], clamp=True)
        except ParameterError:
            value = args if row.size else args[0]  # `off`, and what another version allows
        changed = self.values[name] != value
        self.values[name] = value
        if changed:
            self._tell("value", name, value)
            if row.when == "load":
                self.send("/verdigris/codec", name[0])

    def _hear_codec(self, args: tuple[Any, ...]) -> None:
        facts = pairs(args)
        slot = facts.pop("slot")
        before = self.codecs.pop(slot, None)
        if facts["name"] != "off":
            self.codecs[slot] = CodecFacts.of(facts)
        if self.codecs.get(slot) != before:
            self._tell("facts", "codec")

    def _hear_latency(self, args: tuple[Any, ...]) -> None:
        if (latency := Latency.of(args)) != self.latency:
            self.latency = latency
            self._tell("facts", "latency")

    def _hear_device(self, args: tuple[Any, ...]) -> None:
        if (device := pairs(args)) != self.device:
            self.device = device
            self._tell("facts", "device")

    def _hear_control(self, args: tuple[Any, ...]) -> None:
        """One of the controls of effects; with the last one they are in the table."""
        number, count, *fact = args
        if number <= 1:
            self._controls = []
        if fact:
            self._controls.append(EffectControl.of(fact))
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
        self._tell("facts", "effects")

    def _hear_loudness(self, args: tuple[Any, ...]) -> None:
        self.loudness = dict(zip(("dry", "a", "b", "heard"), args, strict=True))

    def _judge(self, now: float) -> None:
        """What state that is."""
        if self.session is None and self._programs.is_running("live"):
            state = LOADING
        elif self.session is None:
            state = ABSENT if self.state == ABSENT else GONE
        elif self._connection and now - self._heard > SILENT_S:
            state = GONE
        elif self.session.state == sessions.LOADING or self._connection is None or self.rings is None:
            state = LOADING
        else:
            state = PLAYING if self.rings.warm else WARMING
            if self.state == PLAYING and state == WARMING and self.rings.now > 0:
                state = PLAYING  # a hole is a miss, and no beginning
        if state != self.state:
            self.state = state
            self._tell("state", state)

    def _lose(self) -> None:
        """The session is gone: its last facts stay; look for another at once."""
        self._drop()
        self.session, self._seen, self._look_at = None, None, 0.0

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None
