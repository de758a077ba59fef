"""The window: puts the parts together, and passes the engine's word to them and their wishes to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QMainWindow, QSplitter, QVBoxLayout, QWidget

from gui import keys, theme
from gui.abxpage import KEYS as ABX_KEYS
from gui.abxpage import AbxPage
from gui.bendpage import BendPage
from gui.blindly import LOOP_S, Fairness
from gui.drawer import Drawer
from gui.effectpage import EffectPage
from gui.follow import Follower
from gui.header import Header
from gui.meters import Meters
from gui.mixpage import MixPage
from gui.morphpage import MorphPage
from gui.panel import Panel
from gui.playpage import PlayPage
from gui.scope import Scope
from gui.setuppage import SetupPage
from gui.slotpanel import SlotPanel
from gui.spectrum import Spectrum
from gui.store import Store
from gui.strip import Strip
from gui.terms import Sheet, device_in_words, latency_rows
from gui.tokenuse import TokenUse
from gui.wishes import Wishes
from realtime.client import ABSENT, GONE, LOADING, PLAYING, WARMING, Client, Event

INTERVAL_MS = 33
STATES = {
    ABSENT: "no engine runs",
    LOADING: "loading codecs …",
    WARMING: "warming up: nothing to be heard until the first latency is over",
    GONE: "engine gone · reconnecting",
    PLAYING: "",
    "standing": "no device: nothing is played, waiting for the card",
}


class Window(QMainWindow):
    """One timer drives it. Whatever happens to it, the engine does not notice."""

    def __init__(self, client: Client, store: Store) -> None:
        super().__init__()
        self.setWindowTitle("Verdigris")
        self.setAcceptDrops(True)
        self.client = client
        self.header, self.scope, self.strip = Header(), Scope(), Strip()
        self.meters, self.spectrum, self.use = Meters(), Spectrum(), TokenUse()
        self.slots, self.bends, self.morph, self.setup = SlotPanel(), BendPage(), MorphPage(), SetupPage()
        self.follower = Follower(client, self.scope, self.meters, self.spectrum, self.use, self.header)
        self.wishes = Wishes(client, store, self.say)
        self.fair = Fairness(self.wishes)
        self.play, self.mix, self.abx = PlayPage(), MixPage(), AbxPage(self.fair.about)
        self.effects = EffectPage()
        pages = {"Bends": self.bends, "Effects": self.effects, "Morph": self.morph, "Mix": self.mix}
        self.drawer = Drawer({**pages, "Play": self.play, "ABX": self.abx, "Setup": self.setup})
        self.sheet: Sheet | None = None
        self._state = ""
        self._said, self._said_until = "", 0.0
        self._late = False
        self.drawn = 0  # pictures since the start
        self._lay_out()
        self._connect()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.tick)
        self._adopt(self)

    def _adopt(self, part: QWidget) -> None:
        """What keys and the cursor do with all widgets, for those of a part."""
        keys.only_by_tab(part)
        for widget in part.findChildren(QWidget):
            if widget.property("address"):
                widget.installEventFilter(self)

    def start(self) -> None:
        """Begin to follow the engine."""
        self._timer.start(INTERVAL_MS)

    def _lay_out(self) -> None:
        self.panels = {
            "level": Panel("LEVEL", self.meters, "dBFS peak"),
            "spectrum": Panel("SPECTRUM", self.spectrum, "dry · A · Δ"),
            "use": Panel("TOKEN USE", self.use),
            "slot": self.slots,
        }
        right = QSplitter(Qt.Orientation.Vertical)
        right.setHandleWidth(6)
        for panel, stretch in zip(self.panels.values(), (0, 12, 6, 8), strict=True):
            right.addWidget(panel)
            right.setStretchFactor(right.count() - 1, stretch)
        across = QSplitter(Qt.Orientation.Horizontal)
        across.setHandleWidth(8)
        for part in (self.scope, right, self.drawer):
            across.addWidget(part)
        across.setStretchFactor(0, 1)
        self.across, self.right = across, right
        self.drawer.hide()
        body = QWidget()
        body.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(10, 8, 10, 8)
        layout.setSpacing(8)
        layout.addWidget(self.header)
        layout.addWidget(across, 1)
        layout.addWidget(self.strip)
        self.setCentralWidget(body)
        body.setFocus()

    def _connect(self) -> None:
        wishes, strip, header = self.wishes, self.strip, self.header
        strip.monitored.connect(self.hear)
        strip.record.clicked.connect(lambda: wishes.toggle("record"))
        strip.mute.clicked.connect(lambda: wishes.toggle("mute"))
        strip.match.clicked.connect(self.toggle_match)
        strip.freeze.toggled.connect(lambda on: setattr(self.scope, "frozen", on))
        strip.blind.toggled.connect(self._blind)
        header.run_pressed.connect(wishes.run_or_stop)
        header.device_pressed.connect(lambda: self.open_drawer("Setup"))
        header.latency_pressed.connect(self.open_latency)
        header.misses_pressed.connect(self.open_misses)
        for choice in header.codecs.values():
            choice.chosen.connect(lambda codec, slot=choice.slot: wishes.change(f"{slot}.codec", codec))
        self.mix.ghost_wanted.connect(wishes.ghost)
        for part in (self.slots, self.bends, self.effects, self.mix):
            part.changed.connect(wishes.change)
            part.wants_to_learn.connect(wishes.learn)
        self.bends.reset.connect(wishes.neutral)
        self.play.changed.connect(wishes.change)
        self.play.captured.connect(wishes.capture)
        self.abx.began.connect(self._begin_abx)
        self.abx.ended.connect(self._end_abx)
        self.abx.heard.connect(lambda slot: self.client.set("monitor", slot))
        self.morph.sent.connect(wishes.send)
        self.morph.preset_saved.connect(self._save_preset)
        self.morph.preset_chosen.connect(wishes.load_preset)
        self.setup.start_wanted.connect(wishes.begin)
        self.setup.devices_wanted.connect(lambda: self.client.ask("devices"))
        self.scope.shown_changed.connect(self._show_titles)
        keys.bind(
            self,
            {
                **{key: partial(self.press_digit, key) for key in ABX_KEYS},
                "G": partial(self.hear, "ghost"),
                "Space": self.press_space,
                "Esc": lambda: wishes.toggle("mute"),
                "L": self.toggle_match,
                "B": self.strip.blind.click,
                "F": self.strip.freeze.click,
                "R": lambda: wishes.toggle("record"),
                "D": self.toggle_drawer,
                "Ctrl+Return": wishes.run_or_stop,
                "Ctrl+Z": wishes.undo,
                "Ctrl+Shift+Z": wishes.redo,
                "?": self.open_keys,
            },
        )

    def polish(self) -> None:
        """Sizes that depend on the font, once it is known."""
        for part in (self.header, self.strip, self.slots, self.bends, self.mix):
            part.polish()
        em = theme.em(self)
        self.across.setSizes([10_000, 21 * em, 28 * em])
        self.morph.list_presets(self.wishes.store.presets())

    # What the player wishes, as far as it is to be seen here

    def hear(self, path: str) -> None:
        """Dry, a, b or delta; the pictures go with it."""
        self.wishes.hear(path)
        if path in ("a", "b", "delta") and not self.scope.blind:
            self.scope.show_path(path)

    def press_digit(self, key: str) -> None:
        """What is heard; in a blind test what that has on its keys."""
        if self.abx.running:
            self.abx.key(key)
        elif int(key) <= len(theme.PATHS):
            self.hear(list(theme.PATHS)[int(key) - 1])

    def _begin_abx(self) -> None:
        self.fair.arrange()
        QTimer.singleShot(round(1000 * LOOP_S), self.fair.settle)
        self.strip.blind.setChecked(True)
        self.strip.lock(True)

    def _end_abx(self) -> None:
        self.fair.restore()
        self.strip.lock(False)
        self.strip.blind.setChecked(False)

    def swap(self) -> None:
        """From A to B, or back."""
        self.hear("b" if self.client.values["monitor"] == "a" else "a")

    def press_space(self) -> None:
        """Swap, unless the Tab key has gone to a button."""
        if not keys.press_focused() and not self.abx.running:
            self.swap()

    def toggle_match(self) -> None:
        """Play A and B as loud as dry, or as they are."""
        self.wishes.change("match", "follow" if self.client.values["match"] == "off" else "off")
        self._show_values()

    def toggle_drawer(self) -> None:
        self.drawer.setVisible(not self.drawer.isVisible())

    def open_drawer(self, page: str) -> None:
        """Open it at a page; again: close it."""
        if self.drawer.isVisible() and self.drawer.page == page:
            self.drawer.hide()
            return
        self.drawer.show_page(page)
        self.drawer.show()
        if page == "Setup":
            self.client.ask("devices")

    def open_latency(self) -> None:
        """The terms of L."""
        rate = self.client.rate or 1
        remark = f"at {rate} Hz; it does not change while a stream runs"
        self._open(self.header.latency, "LATENCY, SAMPLES AND MS", latency_rows(self.client.latency, rate), remark)

    def open_misses(self) -> None:
        """By kind."""
        misses = self.client.misses
        rows = [(kind, str(count)) for kind, count in misses.items()]
        self._open(self.header.misses, "HOLES AND LOST BLOCKS", [*rows, ("all", str(sum(misses.values())))])

    def open_keys(self) -> None:
        """What the keys do."""
        self._open(self.header.latency, "KEYS", keys.HELP)

    def _open(self, under: QWidget, title: str, rows: Sequence[Sequence[str]], remark: str = "") -> None:
        self.sheet = Sheet(self, title, rows, remark)
        self.sheet.open_under(under)

    def _blind(self, on: bool) -> None:
        self.scope.hide_all(on)
        self.strip.hide_names(on)
        self.meters.blind = on
        self.spectrum.message = self.use.message = "hidden while blind" if on else ""
        self.spectrum.update()
        self.use.update()
        for choice in self.header.codecs.values():
            choice.show_blind(on)
        self.slots.setVisible(not on)
        self._show_titles()

    def _save_preset(self, name: str) -> None:
        self.wishes.save_preset(name)
        self.morph.list_presets(self.wishes.store.presets(), name)

    def say(self, message: str, seconds: float = 4.0) -> None:
        """A line at the bottom, for a while."""
        self._said, self._said_until = message, time.monotonic() + seconds

    # What the engine says

    def tick(self) -> None:
        """All that happens, 30 times a second; after one that took too long the pictures are left out once."""
        begun = time.monotonic()
        for event in self.client.poll():
            self._hear(event)
        state = "standing" if self.client.state == PLAYING and self.follower.standing else self.client.state
        if state != self._state:
            self._show_state(state)
        if not self._late:
            self.follower.step(self.client.state in (WARMING, PLAYING))
            self._show_numbers()
            self.drawn += 1
        self._late = not self._late and time.monotonic() - begun > INTERVAL_MS / 1000

    def _hear(self, event: Event) -> None:
        act: dict[str, Callable[..., None]] = {
            "stream": self._begin,
            "facts": self._facts,
            "value": lambda name, value: self._show_values(),
            "done": lambda what, text="", *rest: self._done(str(what), str(text)),
            "fail": lambda what, why="", *rest: self._failed(str(what), str(why)),
            "error": lambda address, reason, remedy="", *rest: self.say(f"{reason} {remedy}", 8.0),
            "answer": lambda command, data: self.setup.list_devices(data) if command == "devices" else None,
        }
        if event.kind in act:
            act[event.kind](*event.args)

    def _failed(self, what: str, why: str) -> None:
        self.say(f"{what}: {why}", 8.0)
        if what == "capture":
            self.abx.end()  # without a loop it would not be fair

    def _begin(self) -> None:
        self.follower.begin()
        self.wishes.greet()
        self.morph.greet()

    def _done(self, what: str, text: str) -> None:
        if what == "learn":
            self.wishes.learned(text)
        if what == "record" and text:
            self.say(f"recording to {text}" if self.client.values["record"] else f"recorded in {text}", 8.0)

    def _facts(self, what: str) -> None:
        if what == "codec":
            self.follower.set_codecs()
            for slot in ("a", "b"):
                self.slots.set_codec(slot, self.client.codecs.get(slot))
            self.strip.set_available(set(self.client.codecs))
            self._show_titles()
        elif what == "latency":
            self.header.show_latency(self.client.latency)
        elif what == "effects":
            self.effects.show_effects(self.client.effects, self.client.table)
            self.effects.polish()
            self._adopt(self.effects)
            self._show_values()
        elif what == "device":
            self.header.device.setText(device_in_words(self.client.device))

    def _show_values(self) -> None:
        values = self.client.values
        if not self.abx.running:
            self.strip.show_path(values["monitor"])
        self.strip.mute.setChecked(bool(values["mute"]))
        self.strip.record.setChecked(bool(values["record"]))
        self.strip.show_match(values["match"], {slot: values[f"{slot}.match"] for slot in sorted(self.client.codecs)})
        self.slots.show_values(values)
        self.bends.show_values(values)
        self.effects.show_values(values)
        self.play.show_values(values)
        self.mix.show_values(values)

    def _show_state(self, state: str) -> None:
        before, self._state = self._state, state
        self.header.show_state(state, STATES[state], state not in (ABSENT, GONE))
        self.scope.dim(state in (GONE, "standing"))
        self.scope.say(STATES[state] if state in (ABSENT, LOADING) else "")
        if state in (PLAYING, WARMING):
            self._show_values()
        if state in (ABSENT, GONE) and before:
            self.abx.end()
            self.wishes.ended()

    def _show_numbers(self) -> None:
        for slot, choice in self.header.codecs.items():
            known = slot in self.client.codecs
            choice.show_codec(self.client.values[f"{slot}.codec"] if known else "off", self.follower.rate_of(slot))
        self.panels["use"].say("" if self.scope.blind else self.follower.note_of_use)
        if time.monotonic() > self._said_until:
            self._said = self._hint()
        if self.strip.hint.text() != self._said:
            self.strip.hint.setText(self._said)

    def _hint(self) -> str:
        if self.follower.starving and self.client.state == PLAYING:
            return "running short: fewer steps, a smaller codec, or more latency"
        port = self.client.session.port if self.client.session else 0
        return f"OSC 127.0.0.1:{port}  ·  Space swaps A and B  ·  ? keys" if port else "Ctrl+Return starts the engine"

    def _show_titles(self) -> None:
        blind = self.scope.blind
        self.panels["spectrum"].say("" if blind else f"dry · {theme.NAMES[self.scope.slot]} · Δ")
        tokens = self.scope.frames[self.scope.slot].title == "TOKENS"
        self.panels["use"].entitle("TOKEN USE" if tokens or blind else "PACKETS")
        if not blind:
            self.slots.show_slot(self.scope.slot)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if event.type() == QEvent.Type.Enter and (address := watched.property("address")):
            self.say(str(address), 3.0)
        return False

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        self.wishes.play_file(event.mimeData().urls()[0].toLocalFile())

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        self._timer.stop()
        self.wishes.leave()
        self.client.close()
        event.accept()
