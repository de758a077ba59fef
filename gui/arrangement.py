"""Arrangement of the view for the size of the window: which parts are shown, and how wide labels are.

Sizes are in em, the height of the text. A window never becomes larger by itself: parts that have no
room are hidden, and come back when there is room again.
"""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QBoxLayout

from gui.view import View
from gui.widgets import theme

FULL_MIN, COMPACT_MIN = (76, 40), (46, 25)  # smallest window, em
ROOMY = 92  # em; below it the monitor strip has narrow buttons
GAP = 6  # pixels between the parts of a column
WIDE = 100  # em; below it the cards have short labels
BESIDE = 84  # em; below it an open side panel takes the place of the right column
PANELS = ("level", "slot", "spectrum", "loss", "histogram")  # of the right column, the most useful first
PLOTS = ("output", "input", "tokens", "latents")
SPECTRUM = 8  # em, height from which the spectrum is worth its place


class Arrangement:
    """Call `arrange` after each change of size or font."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.compact = False
        self._last: tuple[object, ...] = ()

    def minimum(self) -> QSize:
        """Return the smallest size of the window in pixels."""
        em = theme.em(self._view)
        wide, high = COMPACT_MIN if self.compact else FULL_MIN
        return QSize(wide * em, high * em)

    def set_compact(self, compact: bool) -> None:
        """Show monitor, codecs, meters and latency only, or everything."""
        self.compact = compact
        self._last = ()
        self.arrange()

    def arrange(self) -> None:
        """Show the parts that have room."""
        view, em, full = self._view, theme.em(self._view), not self.compact
        view.column.setSpacing(8 if full else 4)
        view.column.setContentsMargins(*((10, 8, 10, 8) if full else (6, 4, 6, 4)))
        wide = view.width() / em
        state = self.compact, wide >= ROOMY, wide >= WIDE
        if state != self._last:
            self._last = state
            self._show_widths(*state)
        view.right_splitter.setVisible(wide >= BESIDE or not view.side_panel_open)
        heights = {name: panel.minimumSizeHint().height() for name, panel in view.panels.items()}
        heights["spectrum"] = max(heights["spectrum"], SPECTRUM * em)
        if view.scope.blind:
            del heights["slot"]
        shown = self._fitting(PANELS, heights) if full else {"level"}
        for name, panel in view.panels.items():
            panel.setVisible(name in shown)
        plots = {name: panel.minimumSizeHint().height() for name, panel in view.scope.panels.items()}
        shown = self._fitting(PLOTS, plots)
        for name, panel in view.scope.panels.items():
            panel.setVisible(name in shown)

    def _fitting(self, names: tuple[str, ...], heights: dict[str, int]) -> set[str]:
        """Return the first parts of a column that have room together; the first one in any case."""
        room, shown = self._body(), set[str]()
        for name in names:
            if name in heights and (not shown or heights[name] <= room):
                shown.add(name)
                room -= heights[name] + GAP
        return shown

    def _body(self) -> int:
        """Return the height of the columns in pixels."""
        view = self._view
        rows = [view.header, view.cards["a"], view.strip, view.messages]
        margins = view.column.contentsMargins()
        others = sum(row.sizeHint().height() for row in rows) + len(rows) * view.column.spacing()
        return view.height() - others - margins.top() - margins.bottom()

    def _show_widths(self, compact: bool, roomy: bool, wide: bool) -> None:
        """Set what depends on the width only."""
        view = self._view
        view.scope.setVisible(not compact)
        view.panels["level"].show_head(not compact)
        view.stereo.setVisible(not compact)
        view.meters.set_tight(compact)
        if body := view.meters.parentWidget():
            body.setSizePolicy(view.meters.sizePolicy())
        if compact:
            view.show_side_panel(False)
        direction = QBoxLayout.Direction.TopToBottom if compact else QBoxLayout.Direction.LeftToRight
        view.cards_layout.setDirection(direction)
        for card in view.cards.values():
            card.show_short(not (compact or wide))
        view.header.show_compact(compact)
        view.strip.show_size("short" if compact else "roomy" if roomy else "narrow")
