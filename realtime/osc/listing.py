"""The sound cards, for a client that asks while a stream plays.

PortAudio sees what was plugged in since only when it begins anew, and that would end every stream. So another process
looks (`verdigris devices`), and what it sees is told when it is done; a card that plays, and may be closed to others
while it does, is added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from realtime.client.programs import Programs
from realtime.osc.clients import Client

LOOK = ("devices", "--json")


class Listing:
    """One thread; nothing waits."""

    def __init__(self, programs: Programs | None = None) -> None:
        self._programs = programs or Programs()
        self._asked: list[Client] = []

    def ask(self, client: Client) -> None:
        """Look, for this client too: who asks while a look is under way is answered by it."""
        if not self._programs.is_running(LOOK[0]):
            self._programs.start(*LOOK)
        if client not in self._asked:
            self._asked.append(client)

    def done(self, playing: Callable[[], Mapping[str, Any]]) -> list[tuple[Client, list[dict[str, Any]] | str]]:
        """Who is to be told what, if the look is over: the cards, or why there are none. `playing`: driver's facts."""
        if not self._asked:
            return []
        for _, good, said in self._programs.ended():
            asked, self._asked = self._asked, []
            return [(client, told(said, playing()) if good else str(said)) for client in asked]
        return []


def told(cards: list[dict[str, Any]], playing: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each card as plain names and values; `playing` is 1 for those of this session."""
    used = str(playing.get("name", "")).split(" → ") if playing.get("driver") == "device" else []
    known = [card["name"] for card in cards]
    busy = [{"name": name, "host_api": name.partition(":")[0]} for name in used if name not in known]
    return [
        {
            **{name: int(value) if isinstance(value, bool) else value for name, value in card.items()},
            **({"rates": " ".join(map(str, card["rates"]))} if "rates" in card else {}),
            "playing": int(card["name"] in used),
        }
        for card in [*cards, *busy]
    ]
