"""Generator of docs/osc.md from the tables of parameters and commands: `verdigris osc >
docs/osc.md`.
"""

from __future__ import annotations

from realtime.osc.clients import GROUPS, LEASE_S, MAX_ERRORS_PER_S
from realtime.osc.commands import COMMANDS
from realtime.osc.packet import MAX_BUNDLE_DEPTH, MAX_PACKET_BYTES
from realtime.osc.server import MAX_AHEAD_S, PORT, WRONG_CLOCK_DELAY_S
from realtime.parameters.table import PARAMETERS, Parameter

HEAD = f"""# Control by OSC

Made by `verdigris osc > docs/osc.md`. Change the tables in `realtime/parameters/` and
`realtime/osc/`, not this page.

`verdigris live` listens on port {PORT} of this machine, UDP and TCP (SLIP, OSC 1.1). `--osc PORT`
chooses another port. `--osc off` turns OSC off, and the window then cannot connect. If the port is
taken, the session says so and uses any free port. Replies go to the sender of the message, or to
the port in `/verdigris/osc/reply_port` if it is not 0 (Pd, TouchOSC). A session publishes its port
and its timeline in a file (`realtime/timeline/session_file.py`).

**Access**: every program on this machine, including those of its other users; other machines have
no access. OSC has no passwords, and a token would exclude existing OSC programs. No OSC message can
run a file of yours: effects that are Python files, and your own bends, are named on the command
line. A message can load installed plug-ins, record takes where you may write, play files that you
may read, and end the session. If that is too much, use `--osc off`.

- **Set** with an argument, **get** without one; the answer has the same address. Choices are
  strings; a whole number selects a choice by its position, from 0.
- **Pairs**: `/verdigris/set name value name value ...` in any order, all or none. Names are those
  of the tables below, with dots or with slashes.
- **Types**: all of OSC 1.0 and 1.1 are read. Where a number or text is needed, `T` is 1 and `F` is
  0; nil (`N`), impulses (`I`), blobs, time tags, colours and MIDI are refused, before anything is
  set.
  An impulse alone is a message without arguments. Arrays are read as their elements. Commands
  without arguments ignore those that they get, as a button sends them.
- **Bundles**: up to {MAX_BUNDLE_DEPTH} nested, and {MAX_PACKET_BYTES} bytes. A message in a bundle that is not
  OSC, or is refused, is answered and left out; the others apply.
- **Numbers in addresses and names** compare as numbers: `/verdigris/a/bend/bias/7` is element 07,
  and `/verdigris/snapshot/recall 3.0` recalls what `store 3` has stored.
- **Vectors**: whole (`/verdigris/a/bend/bias` with all values, or one value for all elements), one
  element (`/verdigris/a/bend/bias/07`), a range (`/verdigris/a/bend/biasn start n v ...`).
- **Patterns** of OSC 1.0 select several addresses: `/verdigris/[ab]/steps`,
  `/verdigris/a/bend/bias/0[0-7]`.
- **Time.** A message takes effect at the next boundary of its parameter: a block or a frame. A
  bundle with a timetag waits for its sample: a block parameter is set in the block that holds the
  sample, a frame parameter from the frame that holds it. A late bundle applies at once and is
  answered by `/verdigris/late original applied` (samples). A timetag more than
  {MAX_AHEAD_S:.0f} s ahead comes from a wrong clock: the message is answered by an error, and applied after
  {WRONG_CLOCK_DELAY_S} s.
- **Acknowledged**: `/verdigris/applied name frame audible_at_sample seconds_until_audible address`
  goes to the client that set the parameter, once the sample is known. `address` is that of the
  parameter (`/verdigris/monitor/gain` for the name `gain`), to match in a patch. Samples are input
  samples modulo 2³¹, as in `/verdigris/clock`. A codec change is heard from the block that holds
  that sample; any other change from the sample.
- **Refused**: `/verdigris/error address reason remedy`, with the address as it was sent, at most
  {MAX_ERRORS_PER_S} a second for each client; the next one then has the number of errors that were
  not sent. The remedy for an unknown address or name has the nearest known one.
- **Slow operations** (another codec): `/verdigris/done name value` or
  `/verdigris/fail name reason`. If a codec needs more latency, three arguments follow: samples, ms,
  and the command that restarts with it, such as `/verdigris/restart a.codec nano latency 18240`.
  If the codec is a model of the user's that may not run yet, the three are 0, 0 and a command of a
  shell, `verdigris trust FILE`: no OSC message can allow it.
- **Failures while it plays** (a source, a recording, the console): `/verdigris/fail part reason` to
  all clients. The part falls back, and the stream goes on.
- **Coalesced**: between two boundaries the last value of a parameter wins. Commands are never
  coalesced. `/verdigris/counts` has the number of messages by outcome; `failed` counts errors of
  Verdigris itself, which end nothing.
"""

EFFECTS = """
## Effects

Effects of `--pre`, `--post-a` and `--post-b` have addresses by place and number, from 1: the first
effect before the codecs is `/verdigris/pre/1`, the second one after the codec of slot A is
`/verdigris/a/post/2`. Below it are the effect's own controls, such as
`/verdigris/a/post/1/threshold` (name `a.post.1.threshold`), and `bypass`. They are set, read,
scheduled, subscribed to and stored like the parameters below, and take effect with a frame. Values
outside an effect's range are clamped. `/verdigris/rack` and OSCQuery list the effects of a session,
`verdigris effects KIND:WHERE` the controls of one effect. A failed effect has `bypass` 1; set it to
0 to try the effect again. `/verdigris/rack/add`, `move` and `remove` change the effects while the
stream goes on; the controls of those that stay keep their values.
"""

STREAMS = {
    "params": "every parameter at its own address, when any client changes it",
    "meters": "`/verdigris/out/meters ,ffff`: peak of dry, A, B and the monitor, dBFS",
    "loudness": "`/verdigris/out/loudness ,ffff`: short-term loudness of dry, A, B and the monitor, LUFS",
    "frames": "`/verdigris/out/frame ,iiiff`: slot (0: A, 1: B), frame, first audible sample, bits, seconds; "
    "then its tokens and latents",
    "tokens": "`/verdigris/out/tokens ,ii i…`: frame, part, up to 256 tokens of A; of B: `/verdigris/out/b/tokens`",
    "latents": "`/verdigris/out/latents ,ii f…`: frame, part, up to 256 values; of B: `/verdigris/out/b/latents`",
    "surprise": "`/verdigris/out/surprise ,iiif`: slot, frame, first audible sample, bits of a token of what you play, "
    "before bends, under the language model of swift: few where you are predictable",
    "status": "`/verdigris/out/status`: the numbers of `/verdigris/status`, in its order",
    "heard": "`/verdigris/heard ,s`, when it changes: the path that is heard; no stand-in is missed, however short",
    "clock": "`/verdigris/clock ,iif`: frame, first audible sample, seconds in a frame; of the first slot",
}


def document() -> str:
    """Return the page as Markdown."""
    lines = [HEAD, "## Commands\n", "| address | arguments | action | response |", "|---|---|---|---|"]
    lines += [f"| `{c.address}` | {_code(c.arguments)} | {c.help} | {c.response} |" for c in COMMANDS.values()]
    lines += [
        "\n## Streams\n",
        f"`/verdigris/subscribe group [rate_hz]` sends the current state at once. A lease lasts {LEASE_S:.0f} s;\n"
        "by TCP a stream lasts as long as the connection.\n",
        "| group | Hz | messages |",
        "|---|--:|---|",
        *(
            f"| {group} | {f'{rate:g}' if rate else 'every frame'} | {STREAMS[group]} |"
            for group, rate in GROUPS.items()
        ),
        EFFECTS,
        "## Parameters\n",
        "Slot B has the same parameters as slot A. *When* is the moment at which a change takes effect.",
        "load: after the codec is loaded, while the previous one plays on. restart: fixed while a stream",
        "runs.\n",
        "| address | name | type | values | default | when | description |",
        "|---|---|---|---|---|---|---|",
        *(_row(row) for name, row in PARAMETERS.items() if not name.startswith("b.")),
    ]
    return "\n".join(lines) + "\n"


def tags(row: Parameter) -> str:
    """Return the OSC type tags of a parameter's value."""
    tag = "s" if row.kind is str else "f" if row.kind is float else "i"
    return tag * max(1, row.size)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _row(row: Parameter) -> str:
    kind = tags(row) if not row.size else f"{tags(row)[0]} × {row.size}"
    default = row.default[0] if row.size else row.default
    shown = {True: "on", False: "off"}[default] if row.kind is bool else default
    allowed = row.allowed + (", clamped" if row.clamp else "")
    return f"| `{row.address}` | `{row.name}` | {kind} | {allowed} | {shown} | {row.when} | {row.help} |"
