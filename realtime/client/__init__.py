"""What the window knows of the engine, and any other program that wants as much: a client by OSC, a view of the rings.

    from realtime import client

    desk = client.Client()                  # of the newest live session, now or when one comes
    while drawing:                          # 30 times a second, from one thread; nothing here ever waits
        for event in desk.poll():           # Event(kind, args), below
            ...
        desk.state                          # "absent", "loading", "warming up", "playing", "gone"

It imports no torch, no sound library and no engine, and starts in a fraction of a second. Everything it does but look
at the rings goes by OSC (docs/osc.md), so whatever it can do, a performer's patch can.

**States.** absent: no session yet. loading: codecs load, for the first time or for a restart. warming up: it plays, and
the first latency's worth of output is not there yet. playing. gone: the session that was there ended, was killed, or
does not answer; the values and facts are the last ones, and any session that comes is taken up by itself.

**Client**

| attribute or call            | what                                                                                 |
|------------------------------|--------------------------------------------------------------------------------------|
| `poll()`                     | take in what has come; the events, in order                                          |
| `state`, `session`           | as above; `session`: pid, port, driver, codecs (asked for), or None                  |
| `values`                     | dict: every parameter of `table`, as the engine has it                               |
| `table`                      | dict: the row of each of them, with those of the session's effects                   |
| `effects`                    | dict: KIND:WHERE by place and number, such as "a.post.1"                             |
| `set(name, value)`           | set a parameter, an element `a.bend.bias.07`; ParameterError if it may not be that   |
| `send(address, *args)`       | any OSC message; what is answered comes as an event                                  |
| `telemetry`                  | realtime.telemetry.Telemetry: frames, bitrate (kbit/s) and load, as of now           |
| `misses`                     | dict by kind (late, stalled, died, xrun), as of now                                  |
| `codecs`                     | dict "a", "b": CodecFacts (no key: the slot is off)                                  |
| `latency`                    | Latency: samples, ms, terms                                                          |
| `device`                     | dict of facts of the driver                                                          |
| `rate`                       | Hz; 0 before there is a stream                                                       |
| `rings`                      | Rings, or None before there is a stream                                              |
| `loudness`                   | dict "dry", "a", "b", "heard": short-term, LUFS; empty before the first was told     |
| `frames(slot)`               | list of Frame: what slot "a" or "b" has sent since the last call                     |
| `start_engine(*flags)`       | `verdigris live` with these flags, on its own: it outlives us. Event started or fail |
| `follow(pid)`                | the session of this process only, such as the one that was started                   |
| `ask(*command)`              | `verdigris codecs` or `devices`, asked beside us: event answer when it is there      |
| `quit_engine()`              | end the session, faded                                                               |
| `end_engine()`               | end what was started here, and wait for it (the one call that waits)                 |
| `close()`                    | let go; the session goes on                                                          |

**Events**: kind and args

| kind    | args                                 | when                                                      |
|---------|--------------------------------------|-----------------------------------------------------------|
| state   | state                                | it changed                                                |
| value   | name, value                          | a parameter changed, whoever changed it                   |
| facts   | "codec", "latency", "device", "effects" | the attribute of that name is new                         |
| stream  |                                      | `rings` is another one: a session, or a restart           |
| done    | what, value                          | something slow was done: a codec, a recording, a restart  |
| fail    | what, why                            | something slow could not be done                          |
| error   | address, reason, remedy              | a message was refused                                     |
| answer  | command, data                        | to `ask`                                                  |
| message | address, args                        | anything else that came by OSC                            |

**What a session does.** By `set`, answered by done or fail, and mirrored in `values`: `record` (True: a take begins;
done has its directory), `record.directory`, `source` ("input", a path of sound or of a tape). By `send`:
`/verdigris/capture` seconds (what was just heard becomes the source, looped, its seeds locked; done has its length in
seconds), `/verdigris/restart` name value ... (rate, block, precision, latency, driver, device.input, device.output,
a.codec, b.codec: events state, stream and done follow), `/verdigris/quit`. At once: `mute`, `match` ("follow" sets
a.match and b.match by loudness, "hold" keeps them), monitor "ghost".

**Rings.** All four are addressed by the input sample that is heard: `rings.now` is the one that is heard now (less than
0 in the first latency), and sample k of "dry", "a", "b" and "heard" sounds at one moment, so that they can be drawn on
one clock. `rings.read(name, start, count)` gives float32 [channels, count], silence where there is nothing; what is
older than `rings.oldest` is gone. A Frame's `start` is on the same clock.
"""

from realtime.client.client import ABSENT, GONE, LOADING, PLAYING, WARMING, Client, Event
from realtime.client.facts import CodecFacts, Frame, Latency
from realtime.client.rings import Rings
from realtime.config import config_directory
from realtime.sessions import Session, sessions

__all__ = [
    "ABSENT",
    "GONE",
    "LOADING",
    "PLAYING",
    "WARMING",
    "Client",
    "CodecFacts",
    "Event",
    "Frame",
    "Latency",
    "Rings",
    "Session",
    "config_directory",
    "sessions",
]
