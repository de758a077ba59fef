"""Tour of four steps at the first run: hear A, switch the path, bend, blind test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtWidgets import QWidget

from gui.model.settings import Settings
from gui.view import View
from gui.widgets.tour_overlay import TourOverlay

DONE = "tour"  # key of the settings


@dataclass(frozen=True)
class Step:
    """One step: a title, a text, the page it opens, and the widget it shows."""

    title: str
    text: str
    page: str
    target: Callable[[View], QWidget]


STEPS = (
    Step(
        "Hear A",
        "This is your sound after the codec in slot A. Press it, or 2. 1 is the sound before, 3 is slot B, and Space "
        "swaps A and B: all of them start at the same sample.",
        "",
        lambda view: view.strip.paths["a"],
    ),
    Step(
        "Switch the path",
        "Continuous plays the codec's latents as they are; Discrete plays the few tokens that would be sent. Press P "
        "and listen to what the rounding costs. The figures beside it are what it saves.",
        "",
        lambda view: view.cards["a"],
    ),
    Step(
        "Bend",
        "Bends change the sound inside the codec. Add one, such as Stutter or Packet loss, and move its slider. "
        "Ctrl+Z undoes it, and D closes the panel.",
        "Bends",
        lambda view: view.side_panel,
    ),
    Step(
        "Blind test",
        "Do you really hear a difference? The test hides which is which, plays A, B and X in a loop, and counts. "
        "Begin it here whenever you like. F1 shows this tour again, ? all keys.",
        "ABX",
        lambda view: view.side_panel,
    ),
)


class Tour:
    """Call `step` at each tick: at the first run, the tour opens as soon as something plays."""

    def __init__(self, view: View, settings: Settings) -> None:
        self._view, self._settings = view, settings
        self.overlay: TourOverlay | None = None
        self._number = 0
        self._due = False
        self._panel_was_open = False

    def restore(self, done: bool) -> None:
        """Open the tour once something plays, unless it was done before."""
        self._due = not done

    def step(self, *, playing: bool, compact: bool) -> None:
        """Open the tour if it is due and there is something to hear and to see."""
        if self._due and playing and not compact:
            self.open()

    def open(self) -> None:
        """Show the first step."""
        self._due = False
        if self.overlay is None:
            self.overlay = TourOverlay(self._view)
            self.overlay.moved.connect(self._move)
            self.overlay.ended.connect(self.close)
            self._panel_was_open = self._view.side_panel_open
        self._number = 0
        self._show()

    def _move(self, by: int) -> None:
        self._number += by
        if self._number >= len(STEPS):
            self.close()
        else:
            self._show()

    def _show(self) -> None:
        step = STEPS[self._number]
        if step.page:
            self._view.side_panel.show_page(step.page)
        self._view.show_side_panel(bool(step.page) or self._panel_was_open)
        if self.overlay:
            self.overlay.show_step(self._number + 1, len(STEPS), step.title, step.text, step.target(self._view))

    def close(self) -> None:
        """End the tour, and remember that it was seen."""
        self._settings.save({DONE: True})
        if self.overlay:
            self.overlay.hide()
            self.overlay.deleteLater()
            self.overlay = None
            self._view.show_side_panel(self._panel_was_open)
            self._view.setFocus()
