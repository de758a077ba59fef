"""Codecs to choose from, in groups: networks, classic codecs, and the user's own files."""

from __future__ import annotations

from dataclasses import dataclass

from gui.model.codec_names import Row, family_of, is_file, kilobits, split_codec, title_of

YOURS = "YOURS"
GROUPS = {"neural": "NEURAL", "classic": "CLASSIC", "exact": "CLASSIC", "yours": YOURS}
OFF = "off"


@dataclass(frozen=True)
class Choice:
    """One line of the list: the codec to choose, and its columns as text."""

    codec: str
    title: str
    kbps: str = ""
    latency: str = ""
    licence: str = ""
    size: str = ""
    keeps_up: str = ""
    details: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return self.title, self.kbps, self.latency, self.licence, self.size, self.keeps_up


class CodecList:
    """Catalogue of codecs and the user's checkpoints."""

    def __init__(self) -> None:
        self.rows: tuple[Row, ...] = ()
        self.yours: list[str] = []  # paths of checkpoints, the newest first

    def row_of(self, codec: str) -> Row | None:
        """Return the row of a codec's family, or of a model that was loaded; None for other files."""
        family = family_of(codec) or split_codec(codec)[0]
        return next((row for row in self.rows if row["name"] == family), None)

    def add_checkpoint(self, path: str) -> None:
        """Put a checkpoint at the top of the user's own ones."""
        path = split_codec(path)[0]
        self.yours = [path, *(known for known in self.yours if known != path)][:20]

    def must_download(self, codec: str) -> bool:
        """Return True if a codec's weights are not on this computer."""
        row = self.row_of(codec)
        return row is not None and not row["here"]

    def groups(self, search: str, *, may_be_off: bool) -> list[tuple[str, list[Choice]]]:
        """Return the choices by group that contain all words of `search`.

        A complete name comes first, as it was typed; "off" leaves slot B out.
        """
        found: dict[str, list[Choice]] = {"NEURAL": [], "CLASSIC": [], YOURS: []}
        for row in self.rows:
            if row["live"]:
                found[GROUPS.get(row["kind"], "CLASSIC")].append(_choice(row))
        known = {row["name"] for row in self.rows}
        found[YOURS] += [Choice(path, title_of(path), details=path) for path in self.yours if path not in known]
        words = search.lower().split()
        groups = [
            (name, [choice for choice in choices if all(word in _text(choice, name) for word in words)])
            for name, choices in found.items()
        ]
        if typed := self._typed(search.strip()):
            groups.insert(0, ("AS TYPED", [typed]))
        if may_be_off and (not words or OFF.startswith(search.strip().lower())):
            groups.append(("", [Choice(OFF, "off", details="Slot B is left out: half of the work")]))
        return [(name, choices) for name, choices in groups if choices]

    def _typed(self, text: str) -> Choice | None:
        """Return the choice of a complete name: one with options, or of a file."""
        if not text or " " in text.strip("/"):
            return None
        row = self.row_of(text)
        if is_file(text):
            return Choice(text, text, details="checkpoint")
        if ":" in text and (row or not self.rows):
            return Choice(text, text, details="codec with options")
        return None


def _choice(row: Row) -> Choice:
    rates = [*row["variants"].values(), *row["rates"]]
    low, high = min(rates), max(rates)
    kbps = kilobits(low) if low == high else f"{kilobits(low)} – {kilobits(high)}"
    size = f"{row['size_mb']:.0f} MB" if row["size_mb"] else ""
    where = ("here" if size else "") if row["here"] else "download"
    keeps_up = {"yes": "yes", "no": "no", "unknown": "not tried"}[row["keeps_up"]]
    speed = f" · {row['speed']:.2f} × real time here" if row["speed"] >= 0 else ""
    details = f"{row['sample_rate'] / 1000:g} kHz, {_channels(row['channels'])}{speed}"
    return Choice(
        row["name"],
        title_of(row["name"]),
        kbps,
        f"{row['latency_ms']:.0f} ms",
        row["licence"].partition(" (")[0],
        " ".join(filter(None, (size, where))),
        keeps_up,
        details + (f" · {row['remark']}" if row["remark"] else "") + _terms(row["licence"]),
    )


def _terms(licence: str) -> str:
    terms = licence.partition(" (")[2].rstrip(")")
    return f" · {terms}" if terms else ""


def _channels(count: int) -> str:
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")


def _text(choice: Choice, group: str) -> str:
    return " ".join((group, choice.codec, *choice.columns, choice.details)).lower()
