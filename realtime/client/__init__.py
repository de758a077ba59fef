"""Client of a live session for the window and for other programs: OSC in both directions, and a
view of the rings.

It must not import torch, a sound library or the engine, so that it starts in a fraction of a
second. Everything but the rings goes by OSC (docs/osc.md): a performer's patch can do what this
client does.

    from realtime import client

    desk = client.Client()                  # follows the newest live session, now or when one starts
    while drawing:                          # 30 times a second, from one thread; no call here blocks
        for event in desk.poll():           # Event(kind, args), below
            ...
        desk.state                          # "absent", "loading", "warming up", "playing", "gone"

**States** (`ClientState`). absent: no session yet. loading: codecs load, at the start or for a
restart. warming up: the stream runs, and its first output is still one latency away. playing. gone:
the session ended, was killed, or does not answer; values and facts stay as they were, and the
client follows the next session by itself.

**Client**

| attribute or call            | meaning                                                                              |
|------------------------------|--------------------------------------------------------------------------------------|
| `poll()`                     | read all messages; return the events in order                                        |
| `state`, `session`           | see above; `session`: pid, port, driver, codecs (as requested), or None              |
| `values`                     | dict: every parameter of `table` with the engine's value                             |
| `table`                      | dict: the row of each parameter, including those of the session's effects            |
| `effects`                    | dict: KIND:WHERE by place and number, such as "a.post.1"                             |
| `set(name, value)`           | set a parameter or an element `a.bend.bias.07`; ParameterError if it is not allowed  |
| `send(address, *args)`       | send any OSC message; its answer is an event                                         |
| `telemetry`                  | timeline.telemetry.Telemetry: frames, bitrate (kbit/s) and load, current             |
| `misses`                     | dict: dropouts by kind (late, stalled, died, xrun), current                          |
| `codecs`                     | dict "a", "b": CodecInfo (no key: the slot is off)                                   |
| `latency`                    | Latency: samples, ms, terms, slots (the terms of each slot alone)                    |
| `device`                     | dict of facts of the driver                                                          |
| `rate`                       | Hz; 0 before there is a stream                                                       |
| `rings`                      | Rings, or None before there is a stream                                              |
| `transport`                  | Transport: source, position and length in s, loop; twice a second                    |
| `heard`                      | str: the path that is heard now, or `dry for a` while dry stands in for a slot        |
| `loudness`                   | dict "dry", "a", "b", "monitor": short-term, LUFS; empty before the first message    |
| `frames(slot)`               | list of Frame: frames of slot "a" or "b" since the last call                         |
| `surprise(slot)`             | list of FrameSurprise: how predictable frames were, since the last call              |
| `start_engine(*flags)`       | start `verdigris live` as a process of its own; its end is event done or fail        |
| `follow(pid)`                | follow only the session of this process, such as the one just started                |
| `ask(command)`               | run `verdigris codecs` or `devices` in another process; event answer brings the list |
| `fetch(codec)`               | download the weights of a codec in another process: events progress, then fetched    |
| `quit_engine()`              | end the session with a fade                                                          |
| `end_engine()`               | end the processes started here, and wait for them (the only call that blocks)        |
| `close()`                    | close connection and rings; the session goes on                                      |

**Events**: kind and args

| kind    | args                                    | when                                                      |
|---------|-----------------------------------------|-----------------------------------------------------------|
| state   | state                                   | the state changed                                         |
| value   | name, value                             | a parameter changed, by any client                        |
| facts   | "codec", "latency", "device", "effects" | the attribute of that name changed                        |
| stream  |                                         | `rings` is new: another session, or a restart             |
| heard   | state                                   | `heard` changed; a stand-in is an event however short     |
| done    | name, value                             | a slow operation succeeded: a codec, a recording, a       |
|         |                                         | restart; "engine": `verdigris live` of `start_engine`     |
|         |                                         | ended                                                     |
| fail    | name, reason                            | a slow operation failed; "engine": `verdigris live` ended |
|         |                                         | with an error                                             |
| error   | address, reason, remedy                 | a message was refused, or lost with the connection        |
| progress| codec, have, total                      | bytes of the weights that `fetch` downloads               |
| fetched | codec                                   | the weights of a codec are on this computer               |
| answer  | command, data                           | the list of `ask` arrived                                 |
| message | address, args                           | any other OSC message                                     |

**Session commands.** By `set`, answered by done or fail and mirrored in `values`: `record` (True
starts a take; done has its directory), `record.directory`, `source` ("input", or the path of an
audio file or a tape), `source.loop`. By `send`: `/verdigris/capture` seconds (loop the sound just heard as the
source, with locked seeds; done has the length in seconds), `/verdigris/seek` seconds (in the source
file), `/verdigris/restart` name value … (rate, block, precision, latency, driver, device.input,
device.output, a.codec, b.codec: events state, stream and done follow), `/verdigris/quit`.
Immediately: `mute`, `match` ("follow" sets a.match and b.match by loudness, "hold" keeps them),
monitor "ghost".

**Rings.** All four are addressed by input sample. `rings.now` is the input sample heard now
(negative in the first latency). Sample k of "dry", "a", "b" and "monitor" sounds at the same time,
so that they can be drawn on one clock. `rings.read(name, start, count)` returns float32 [channels,
count], zeros where there is no sound; samples before `rings.oldest` are lost. `Frame.start` is on
the same clock.
"""

import operator
import sys
import warnings
from typing import TYPE_CHECKING, Any

from realtime.client.client import Client, ClientState, Event, stands_in
from realtime.client.model import CodecInfo, Frame, FrameSurprise, Latency, Transport
from realtime.client.rings import Rings
from realtime.system.platform.folders import config_directory
from realtime.system.platform.stop_signals import STOPS, ask_to_stop, is_running
from realtime.system.state_file import StateFile
from realtime.timeline.session_file import SessionRecord, sessions

__all__ = [
    "STOPS",
    "Client",
    "ClientState",
    "CodecInfo",
    "Event",
    "Frame",
    "FrameSurprise",
    "Latency",
    "Rings",
    "SessionRecord",
    "StateFile",
    "Transport",
    "ask_to_stop",
    "config_directory",
    "is_running",
    "sessions",
    "stands_in",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Return a name of version 0.1.0 under its present name, with a warning."""
        states = {state.name: f"ClientState.{state.name}" for state in ClientState}
        renamed = {"CodecFacts": "CodecInfo", "Session": "SessionRecord", "WARMING": "ClientState.WARMING_UP", **states}
        if name not in renamed:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        warnings.warn(f"realtime.client.{name} is now {renamed[name]}.", DeprecationWarning, stacklevel=2)
        return operator.attrgetter(renamed[name])(sys.modules[__name__])
