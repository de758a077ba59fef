"""Codec, path and bitrate of both slots: what the cards show, and what their controls do."""

from __future__ import annotations

from functools import partial

from PySide6.QtWidgets import QFileDialog

from gui.model.actions import Actions
from gui.model.codec_list import OFF, CodecList
from gui.model.codec_names import (
    CHECKPOINTS,
    MODELS,
    PATHS,
    family_of,
    is_file,
    name_of_file,
    rate_control,
    split_codec,
    title_of,
)
from gui.model.compression import compression, nominal_kbps
from gui.slots.codec_browser import CodecBrowser
from gui.slots.slot_card import SlotCard
from gui.view import View
from realtime.client import Client, ClientState, CodecInfo

OTHER = {"continuous": "discrete", "discrete": "continuous"}
SUPERSEDED = "another codec was requested"  # reason of a request that a later one replaced


class SlotControl:
    """Passes the slots' state to their cards at each tick, and their controls to the engine."""

    def __init__(self, client: Client, view: View, actions: Actions, codecs: CodecList) -> None:
        self._client, self._view, self._actions, self.codecs = client, view, actions, codecs
        self._loading: dict[str, str] = {}  # codec that was asked for, by slot
        self._downloads: dict[str, tuple[str, float]] = {}  # codec and part of its weights here, by slot
        self.browser: CodecBrowser | None = None  # the last one that was opened
        for slot, card in view.cards.items():
            card.browse_pressed.connect(partial(self.open_browser, slot))
            card.path_chosen.connect(partial(self._choose_path, slot))
            card.stop_chosen.connect(partial(self._choose_stop, slot))

    def open_browser(self, slot: str) -> None:
        """Open the list of codecs for a slot."""
        if self._view.scope.blind:
            return
        card = self._view.cards[slot]
        find = partial(self.codecs.groups, may_be_off=slot == "b")
        current = family_of(self._codec(slot)) or split_codec(self._codec(slot))[0]
        self.browser = CodecBrowser(self._view, slot, find, current)
        self.browser.chosen.connect(partial(self.choose, slot))
        self.browser.checkpoint_wanted.connect(partial(self._choose_checkpoint, slot))
        self.browser.open_under(card.codec, self._view)

    def choose(self, slot: str, codec: str) -> None:
        """Load a codec into a slot, on the slot's present path if the name leaves it open; download
        its weights first if need be.
        """
        row, (name, path) = self.codecs.row_of(codec), split_codec(codec)
        if row and not path and name == row["name"] and len(row["paths"]) > 1:
            playing = self._client.codecs.get(slot)
            codec = f"{name}:{playing.path if playing else row['paths'][-1]}"
        if self.codecs.must_download(codec):
            self._downloads[slot] = (codec, 0.0)
            self._client.fetch(codec)
        else:
            self._load(slot, codec)

    def toggle_path(self, slot: str) -> None:
        """Switch a slot between its continuous and its discrete path."""
        playing = self._client.codecs.get(slot)
        if playing and len(playing.spec.paths) > 1:
            self._choose_path(slot, OTHER[self._wanted_path(slot, playing)])
        else:
            codec = title_of(self._codec(slot))
            self._actions.say(f"{codec} has one path only. nano and CoDiCodec have both.")

    def on_codec_changed(self, slot: str) -> None:
        """Note that the engine plays another codec in a slot, or has refused one."""
        codec = self._loading.pop(slot, "")
        if is_file(codec) and self._client.values[f"{slot}.codec"] == codec:
            self.codecs.add_checkpoint(codec)

    def on_stream(self) -> None:
        """Note that another stream plays: nothing is loading any more."""
        self._loading.clear()

    def on_failed(self, slot: str, reason: str) -> None:
        """Note that a codec could not be loaded."""
        if SUPERSEDED not in reason:
            self._loading.pop(slot, None)

    def on_fetched(self, codec: str, *, done: bool) -> None:
        """Load a codec whose weights have arrived."""
        for slot, (wanted, _) in list(self._downloads.items()):
            if wanted == codec:
                del self._downloads[slot]
                if done:
                    self._load(slot, codec)

    def on_progress(self, codec: str, have: int, total: int) -> None:
        """Show the progress of a download, in bytes."""
        for slot, (wanted, _) in self._downloads.items():
            if wanted == codec:
                self._downloads[slot] = (codec, min(have / total, 1.0) if total else 0.0)

    def show(self) -> None:
        """Show the state of both slots. Call at every tick."""
        if self._client.state in (ClientState.ABSENT, ClientState.GONE):
            self._loading.clear()
        for slot, card in self._view.cards.items():
            card.show_blind(self._view.scope.blind)
            if not self._view.scope.blind:
                self._show_slot(slot, card)

    def _show_slot(self, slot: str, card: SlotCard) -> None:
        codec, playing = self._codec(slot), self._client.codecs.get(slot)
        status = self._status(slot)
        card.show_codec(title_of(codec), status or self._facts(codec, playing))
        if playing is None or self._client.state in (ClientState.ABSENT, ClientState.GONE):
            card.show_paths("", ())
            card.show_control(None)
            card.show_compression(None, status)
            return
        row, place = self.codecs.row_of(codec), "ab".index(slot)
        sent = int(self._client.values[f"{slot}.books"])
        nominal = nominal_kbps(codec, playing, row)
        card.show_paths(playing.path, playing.spec.paths)
        card.show_control(rate_control(codec, row, playing.spec.books, sent, nominal))
        telemetry = self._client.telemetry
        bits = (telemetry.bitrate[place], telemetry.coded[place])
        card.show_compression(compression(codec, playing, row, sent, self._client.rate, bits), status)

    def _codec(self, slot: str) -> str:
        """Return the codec that is loading, plays, or will play in a slot."""
        name = f"{slot}.codec"
        if slot in self._downloads:
            return self._downloads[slot][0]
        if slot in self._loading:
            return self._loading[slot]
        if self._client.state in (ClientState.ABSENT, ClientState.GONE):
            return self._actions.start_settings.values.get(name) or str(self._client.values[name])
        return str(self._client.values[name]) if slot in self._client.codecs else "off"

    def _status(self, slot: str) -> str:
        if slot in self._downloads:
            return f"downloading … {100 * self._downloads[slot][1]:.0f} %"
        if slot in self._loading:
            return "loading …"
        if self._client.state in (ClientState.ABSENT, ClientState.GONE):
            return "plays once the engine starts"
        return ""

    def _facts(self, codec: str, playing: CodecInfo | None) -> str:
        if playing is None:
            return "this slot is off" if self._client.state == ClientState.PLAYING else ""
        row, spec = self.codecs.row_of(codec), playing.spec
        kind = row["kind"] if row else "checkpoint"
        return f"{kind} · {1000 * (spec.hop + spec.lookahead) / spec.sample_rate:.0f} ms"

    def _load(self, slot: str, codec: str) -> None:
        """Load a codec; a slot that is off, or is to be, takes a restart."""
        name = f"{slot}.codec"
        if self._client.state in (ClientState.ABSENT, ClientState.GONE):
            self._actions.choose_codec(slot, codec)
        elif codec == OFF or slot not in self._client.codecs:
            self._loading[slot] = codec
            self._actions.send("/verdigris/restart", (name, codec))
        elif codec != self._client.values[name] or slot in self._loading:
            self._loading[slot] = codec
            self._actions.change(name, codec)

    def _choose_path(self, slot: str, path: str) -> None:
        self._load(slot, f"{split_codec(self._codec(slot))[0]}:{path}")

    def _wanted_path(self, slot: str, playing: CodecInfo) -> str:
        path = split_codec(self._codec(slot))[1]
        return path if slot in self._loading and path in PATHS else playing.path

    def _choose_stop(self, slot: str, stop: int) -> None:
        """Set the bitrate or the codebooks of a slot to a stop of its control."""
        codec, playing = self._codec(slot), self._client.codecs.get(slot)
        row = self.codecs.row_of(codec)
        if playing is None:
            return
        control = rate_control(codec, row, playing.spec.books, 0, 0.0)
        if control is None:
            return
        if control.kind == "books":
            whole = stop + 1 >= len(control.kbps)
            self._actions.change(f"{slot}.books", 0 if whole else stop + 1)
        else:
            self._load(slot, f"{family_of(codec)}:{control.kbps[stop]:g}")

    def _choose_checkpoint(self, slot: str) -> None:
        endings = " ".join(f"*{ending}" for ending in (*CHECKPOINTS, *MODELS))
        path, _ = QFileDialog.getOpenFileName(self._view, "A codec of your own", "", f"Codecs ({endings})")
        if path:
            self.choose(slot, name_of_file(path))
