"""Main window: forwards engine events to the widgets, and user actions to the engine."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QDir, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QMainWindow

from gui.arrangement import Arrangement
from gui.connections import connect
from gui.controllers import Controllers
from gui.engine_view import EngineView
from gui.live_feed import LiveFeed
from gui.meter_feed import MeterFeed
from gui.midi.midi_input import MidiInput
from gui.model.actions import Actions
from gui.model.codec_list import CodecList
from gui.model.settings import Settings
from gui.monitoring import Monitoring
from gui.overlays import Overlays
from gui.slot_control import SlotControl
from gui.status_line import StatusLine
from gui.tour import Tour
from gui.transport_control import TransportControl
from gui.view import View
from gui.widgets import shortcuts
from gui.widgets.learn_menu import LearnMenu
from gui.widgets.typing_guard import TypingGuard
from realtime.client import Client, ClientState

INTERVAL_MS = 33
NUMBERS_S = 0.1  # between two updates of texts; no eye reads faster
FRAME = QSize(8, 36)  # pixels that the frame of a window takes
COMPACT_SIZE = QSize(640, 400)


class Window(QMainWindow):
    """Main window, driven by one timer. The engine does not depend on it."""

    def __init__(
        self,
        client: Client,
        settings: Settings,
        clock: Callable[[], float] = time.perf_counter,
        midi: MidiInput | None = None,
    ) -> None:
        """`clock` in seconds times messages, ticks, the token histogram and stalled streams; `midi` None: the
        controllers of this machine.
        """
        super().__init__()
        self.setWindowTitle("Verdigris")
        self.setAcceptDrops(True)
        self.client, self._clock = client, clock
        self.view = view = View()
        self.setCentralWidget(view)
        self.status = StatusLine(view.messages, clock)
        self.user_actions = Actions(client, settings, self.status.show_message)
        self.meter_feed = MeterFeed(view.scope, view.stereo, view.loss)
        self.live_feed = LiveFeed(
            client, view.scope, view.meters, view.spectrum, view.histogram, view.header, self.meter_feed, clock=clock
        )
        self.monitoring, self.overlays = Monitoring(view, self.user_actions), Overlays(view, client)
        self.slot_control = SlotControl(client, view, self.user_actions, CodecList())
        self.transport = TransportControl(client, view, self.user_actions)
        self.engine_view = EngineView(
            client, view, self.live_feed, self.user_actions, self.status, self.slot_control, self.transport
        )
        connect(
            view,
            self.user_actions,
            self.monitoring,
            self.overlays,
            self.engine_view,
            self.status,
            self.slot_control,
        )
        shortcuts.bind(view, {"Ctrl+O": self.transport.open_file})
        shortcuts.bind(view, {"C": TypingGuard(view).guard(self.toggle_compact), "F1": self.open_tour})
        self.controllers = Controllers(self.user_actions, view.mapping, midi or MidiInput())
        self.tour = Tour(view, settings)
        self.learn_menu = LearnMenu(view, self.user_actions.learn)
        shortcuts.use_tab_focus_only(view)
        self.status.watch_addresses(view)
        view.setFocus()
        self.arrangement = Arrangement(view)
        view.resized.connect(self.arrangement.arrange)
        self.full_size = QSize(1440, 900)  # of the whole window, while the compact one is shown
        self.compact_size = COMPACT_SIZE
        self.drawn = 0  # ticks that drew the plots
        self._late = False
        self.numbers_s, self._numbers_due = NUMBERS_S, 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.tick)

    def start(self) -> None:
        """Start to follow the engine."""
        self.client.ask("codecs")
        self.client.ask("effects")
        self._timer.start(INTERVAL_MS)

    def apply_font_sizes(self) -> None:
        """Set sizes that depend on the font, and list the presets; call once the font is known."""
        self.view.apply_font_sizes()
        self.setMinimumSize(self.arrangement.minimum())
        self.arrangement.arrange()
        self.view.morph.list_presets(self.user_actions.settings.presets())

    def fit(self, wanted: QSize) -> None:
        """Take a size that fits the screen; on a small screen, in the compact arrangement."""
        room = self.room()
        if room.width() < self.minimumWidth() or room.height() < self.minimumHeight():
            self.full_size = room
            self.arrangement.set_compact(True)
            self.setMinimumSize(self.arrangement.minimum().boundedTo(room))
            wanted = self.compact_size
        self.resize(wanted.boundedTo(room))

    def room(self) -> QSize:
        """Return the largest size that fits the screen."""
        return self.screen().availableSize() - FRAME

    def toggle_compact(self) -> None:
        """Change between the whole window and the compact one; each keeps its size."""
        compact = not self.arrangement.compact
        if compact:
            self.full_size = self.size()
            if self.isMaximized() or self.isFullScreen():
                self.showNormal()
        else:
            self.compact_size = self.size()
        self.arrangement.set_compact(compact)
        self.setMinimumSize(self.arrangement.minimum().boundedTo(self.room()))
        self.resize((self.compact_size if compact else self.full_size).boundedTo(self.room()))

    def tick(self) -> None:
        """Handle events and draw, 30 times a second; after a late tick, skip drawing once."""
        started = self._clock()
        events = self.client.poll()
        for event in events:
            self.engine_view.on_event(event)
            if event.kind == "stream":
                self.controllers.start_stream()
            elif event.kind == "facts" and event.args == ("effects",):
                self.learn_menu.watch(self.view.effects)
        self.engine_view.show_state()
        playing = self.client.state == ClientState.PLAYING
        self.controllers.step(playing=playing)
        self.tour.step(playing=playing, compact=self.arrangement.compact)
        if not self._late:
            self.live_feed.step(self.client.state in (ClientState.WARMING_UP, ClientState.PLAYING))
            if events or started >= self._numbers_due:
                self._numbers_due = started + self.numbers_s
                self.engine_view.show_numbers()
            self.drawn += 1
        self._late = not self._late and self._clock() - started > INTERVAL_MS / 1000

    def open_tour(self) -> None:
        """Show the tour, in the whole window."""
        if self.arrangement.compact:
            self.toggle_compact()
        self.tour.open()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        self.user_actions.play_file(QDir.toNativeSeparators(event.mimeData().urls()[0].toLocalFile()))

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        self._timer.stop()
        self.meter_feed.close()
        self.controllers.close()
        self.user_actions.on_window_closed()
        self.client.close()
        event.accept()
