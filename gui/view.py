"""View: all widgets of the window and their layout."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from gui.pages.abx import AbxPage
from gui.pages.bends import BendPage
from gui.pages.effects import EffectPage
from gui.pages.mapping import MappingPage
from gui.pages.mix import MixPage
from gui.pages.morph import MorphPage
from gui.pages.play import PlayPage
from gui.pages.setup import SetupPage
from gui.plots.meters import Meters
from gui.plots.scope import Scope
from gui.plots.spectrum import Spectrum
from gui.plots.stereo_meter import StereoMeter
from gui.plots.token_histogram import TokenHistogram
from gui.slots.loss_meter import LossMeter
from gui.slots.slot_card import SlotCard
from gui.slots.slot_panel import SlotPanel
from gui.transport.transport_bar import TransportBar
from gui.widgets import theme
from gui.widgets.message_bar import MessageBar
from gui.widgets.monitor_strip import MonitorStrip
from gui.widgets.panel import Panel, stacked
from gui.widgets.side_panel import SidePanel


class View(QWidget):
    """Central widget of the window. It knows neither client nor actions.

    Signal: `resized` after a change of what has room.
    """

    resized = Signal()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        super().resizeEvent(event)
        self.resized.emit()

    def __init__(self) -> None:
        super().__init__()
        self.header, self.scope, self.strip = TransportBar(), Scope(), MonitorStrip()
        self.messages = MessageBar()
        self.cards = {slot: SlotCard(slot) for slot in ("a", "b")}
        self.meters, self.spectrum, self.histogram = Meters(), Spectrum(), TokenHistogram()
        self.stereo, self.loss = StereoMeter(), LossMeter()
        self.slots, self.bends, self.effects, self.morph = SlotPanel(), BendPage(), EffectPage(), MorphPage()
        self.mix, self.play, self.abx, self.setup = MixPage(), PlayPage(), AbxPage(), SetupPage()
        self.mapping = MappingPage()
        self.side_panel = SidePanel(
            {
                "Bends": self.bends,
                "Effects": self.effects,
                "Morph": self.morph,
                "Mix": self.mix,
                "Play": self.play,
                "ABX": self.abx,
                "Setup": self.setup,
                "Map": self.mapping,
            }
        )
        self.panels = {
            "level": Panel("LEVEL", stacked(self.meters, self.stereo), "dBFS peak · stereo"),
            "spectrum": Panel("SPECTRUM", self.spectrum, "dry · A · Δ"),
            "loss": Panel("KEPT OF A", self.loss, "last seconds"),
            "histogram": Panel("TOKEN USE", self.histogram),
            "slot": self.slots,
        }
        self.right_splitter = QSplitter(Qt.Orientation.Vertical)
        self.right_splitter.setHandleWidth(6)
        for panel, stretch in zip(self.panels.values(), (0, 12, 0, 6, 8), strict=True):
            self.right_splitter.addWidget(panel)
            self.right_splitter.setStretchFactor(self.right_splitter.count() - 1, stretch)
        self.main_splitter = QSplitter(Qt.Orientation.Horizontal)
        self.main_splitter.setHandleWidth(8)
        for part in (self.scope, self.right_splitter, self.side_panel):
            self.main_splitter.addWidget(part)
        self.main_splitter.setStretchFactor(0, 1)
        self.main_splitter.setCollapsible(2, False)
        self.side_panel.hide()
        self.side_width = 0  # pixels, of the side panel while it is open
        self._monitor = "a"  # path that is heard, as far as the plots have followed it
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        layout = self.column = QVBoxLayout(self)
        layout.addWidget(self.header)
        self.cards_layout = QHBoxLayout()
        self.cards_layout.setSpacing(8)
        for card in self.cards.values():
            self.cards_layout.addWidget(card, 1)
        layout.addLayout(self.cards_layout)
        layout.addWidget(self.main_splitter, 1)
        layout.addWidget(self.strip)
        layout.addWidget(self.messages)

    def apply_font_sizes(self) -> None:
        """Set all sizes that depend on the font; call once the font is known."""
        for card in self.cards.values():
            card.apply_font_sizes()
        for part in (self.header, self.strip, self.messages, self.slots, self.bends, self.mix):
            part.apply_font_sizes()
        em = theme.em(self)
        self.side_width = 28 * em
        self.main_splitter.setSizes([10_000, 21 * em, self.side_width])
        self.right_splitter.setSizes([13 * em, 15 * em, 8 * em, 7 * em, 13 * em])

    def follow_monitor(self, path: str) -> None:
        """Draw the path that is heard, when that changes; dry is drawn above in any case."""
        changed, self._monitor = path != self._monitor, path
        if changed and path != "dry":
            self.scope.show_path(path)

    def show_side_panel(self, shown: bool) -> None:
        """Open the side panel as wide as it was, or close it."""
        if shown == self.side_panel_open:
            return
        if not shown:
            self.side_width = self.main_splitter.sizes()[2]
        self.side_panel.setVisible(shown)
        self.resized.emit()
        if shown:
            self.set_side_width(self.side_width)

    def set_side_width(self, width: int) -> None:
        """Set the width of the open side panel; the plots give it, or get it back."""
        left, right, before = self.main_splitter.sizes()
        width = max(width, self.side_panel.minimumSizeHint().width(), 1)
        self.main_splitter.setSizes([max(1, left + before - width), right, width])

    def splitter_sizes(self) -> list[int]:
        """Return the widths of plots, right column and side panel; of a closed one, as it was last."""
        left, right, side = self.main_splitter.sizes()
        return [left, right, side if self.side_panel_open else self.side_width]

    @property
    def side_panel_open(self) -> bool:
        return not self.side_panel.isHidden()

    def show_blind(self, on: bool) -> None:
        """Hide or show all names, colours and plots."""
        self.scope.show_blind(on)
        self.strip.show_blind(on)
        for card in self.cards.values():  # at once: the next tick is a moment later
            card.show_blind(on)
        self.meters.blind = self.stereo.blind = on
        self.spectrum.message = self.histogram.message = "hidden while blind" if on else ""
        self.spectrum.update()
        self.histogram.update()
        self.resized.emit()  # the slots' controls are hidden too
        self.show_titles()

    def show_titles(self) -> None:
        """Update the titles that depend on the path and codec shown."""
        blind = self.scope.blind
        compared = "A · B · A − B" if self.scope.shown == "ghost" else f"dry · {theme.NAMES[self.scope.slot]} · Δ"
        self.panels["spectrum"].set_note("" if blind else compared)
        self.panels["loss"].set_title("KEPT" if blind else f"KEPT OF {theme.NAMES[self.scope.slot]}")
        has_tokens = self.scope.frames[self.scope.slot].title != "PACKETS"
        self.panels["histogram"].set_title("TOKEN USE" if has_tokens or blind else "PACKETS")
        if not blind:
            self.slots.show_slot(self.scope.slot)
