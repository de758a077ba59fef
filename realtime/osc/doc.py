"""docs/osc.md, made from the table of parameters and the table of commands: `verdigris osc > docs/osc.md`."""

from __future__ import annotations

from realtime.osc.clients import GROUPS, LEASE_S
from realtime.osc.commands import COMMANDS
from realtime.osc.server import FAR_S, PORT
from realtime.params import PARAMETERS, Parameter

HEAD = f"""# Played by OSC

Made by `verdigris osc > docs/osc.md`; change the tables in `realtime/params.py` and `realtime/osc/`, not this page.

`verdigris live` listens on port {PORT} of this machine, UDP and TCP (SLIP, OSC 1.1). `--osc PORT` moves it, `--osc
off` turns it off, and with it the window's way in; where the port is taken, that is said and any free one serves.
Answers go to where the message came from, or to `/verdigris/osc/reply_port` if that is not 0 (Pd, TouchOSC).
A session tells its port, and where its timeline is, in a file beside that (`realtime/sessions.py`).

**Who may play**: every program on this machine, those of its other users too; from outside nothing is heard. OSC has no
passwords, and a token of ours would shut out what speaks OSC already. Nothing that comes by it runs code: effects and
bends of your own are named on the command line. It can have takes recorded where you may write, play files that you may
read, and end the session. Where that is too much, `--osc off`.

- **Set** with an argument, **get** without one; the answer has the same address. Choices are strings; a whole
  number names them by their place.
- **Pairs**: `/verdigris/set name value name value ...` in any order, all or none. Names as in the tables below,
  with dots or with slashes.
- **Vectors**: whole (`/verdigris/a/bend/bias` and all its values, or one for all), one element
  (`/verdigris/a/bend/bias/07`), a run (`/verdigris/a/bend/biasn start n v ...`).
- **Patterns** of OSC 1.0 name several: `/verdigris/[ab]/steps`, `/verdigris/a/bend/bias/0[0-7]`.
- **Time.** A message takes effect at the next boundary of its parameter: a block, or a frame. A bundle with a
  timetag waits for its sample: a block parameter is set in the block that holds it, a frame parameter from the
  frame that holds it. Late bundles apply at once and are answered `/verdigris/late original applied` (samples).
  More than {FAR_S:.0f} s ahead is a wrong clock: it is said, and applied in 0.2 s.
- **Acknowledged**: `/verdigris/applied name frame audible_at_sample seconds_until_audible` to whoever asked, once
  it is known. Samples are input samples modulo 2³¹, the count of `/verdigris/clock`. Another codec is heard from
  the block that holds that sample; everything else from the sample.
- **Refused**: `/verdigris/error address reason remedy`, ten a second at most, then with a count of those that were
  not told.
- **Slow things** (another codec): `/verdigris/done name value` or `/verdigris/fail name why`.
- **Coalesced**: between two boundaries the last value of a parameter wins. Commands are never coalesced.
  `/verdigris/counts` says what became of everything.
"""

EFFECTS = """
## Effects

What `--pre`, `--post-a` and `--post-b` put into a session has addresses of its own, by place and number from 1: the
first effect before the codecs is `/verdigris/pre/1`, the second one after the codec of slot A `/verdigris/a/post/2`.
Below it is a control for each of the effect's own, such as `/verdigris/a/post/1/threshold` (in the table's words
`a.post.1.threshold`), and `bypass`. They are set, got, scheduled, subscribed to and stored like those of the table, and
take effect with a frame. Numbers beyond an effect's range are moved into it. `/verdigris/rack` and OSCQuery list what
is there, `verdigris effects KIND:WHERE` the controls of one. An effect that failed has its `bypass` at 1; setting that
to 0 tries it again. No effect can be put in by OSC.
"""

STREAMS = {
    "params": "each parameter at its own address, when it changes, whoever changed it",
    "meters": "`/verdigris/out/meters ,ffff`: peak of dry, A, B and what is heard, dBFS",
    "loudness": "`/verdigris/out/loudness ,ffff`: short-term loudness of dry, A, B and what is heard, LUFS",
    "frames": "`/verdigris/out/frame ,iiiff`: slot (0: A, 1: B), frame, the sample at which it is heard, bits, "
    "seconds; its tokens and latents come after it",
    "tokens": "`/verdigris/out/tokens ,ii i…`: frame, part, up to 256 tokens of A; of B: `/verdigris/out/b/tokens`",
    "latents": "`/verdigris/out/latents ,ii f…`: frame, part, up to 256 values; of B: `/verdigris/out/b/latents`",
    "status": "`/verdigris/out/status`: the numbers of `/verdigris/status`, in its order",
    "clock": "`/verdigris/clock ,iif`: frame, the sample at which it is heard, seconds in a frame; of the first slot",
}


def document() -> str:
    """The page."""
    lines = [HEAD, "## Commands\n", "| address | arguments | what it does |", "|---|---|---|"]
    lines += [f"| `{c.address}` | {f'`{c.arguments}`' if c.arguments else ''} | {c.help} |" for c in COMMANDS.values()]
    lines += [
        "\n## Streams\n",
        f"`/verdigris/subscribe group [rate_hz]`; what is now comes at once. A lease lasts {LEASE_S:.0f} s.\n",
        "| group | Hz | what comes |",
        "|---|--:|---|",
        *(
            f"| {group} | {f'{rate:g}' if rate else 'every frame'} | {STREAMS[group]} |"
            for group, rate in GROUPS.items()
        ),
        EFFECTS,
        "## Parameters\n",
        "Slot B has what slot A has. *When*: what a change waits for; load: another codec is loaded beside the one",
        "that plays; restart: it is fixed while a stream runs.\n",
        "| address | name | type | values | default | when | what it is |",
        "|---|---|---|---|---|---|---|",
        *(_row(row) for name, row in PARAMETERS.items() if not name.startswith("b.")),
    ]
    return "\n".join(lines) + "\n"


def tags(row: Parameter) -> str:
    """OSC type tags of a parameter's value."""
    tag = "s" if row.kind is str else "f" if row.kind is float else "i"
    return tag * max(1, row.size)


def _row(row: Parameter) -> str:
    kind = tags(row) if not row.size else f"{tags(row)[0]} × {row.size}"
    default = row.default[0] if row.size else row.default
    shown = {True: "on", False: "off"}[default] if row.kind is bool else default
    allowed = row.allowed + (", or moved into it" if row.clamp else "")
    return f"| `{row.address}` | `{row.name}` | {kind} | {allowed} | {shown} | {row.when} | {row.help} |"
