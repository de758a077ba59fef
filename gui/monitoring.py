"""Monitor path, blind mode and ABX test: what is heard, and what of it is shown."""

from __future__ import annotations

from PySide6.QtCore import QTimer

from gui.model.actions import Actions
from gui.model.fair_comparison import LOOP_S, AbxSetup
from gui.view import View
from gui.widgets import shortcuts, theme


class Monitoring:
    """Reaction to the buttons and keys that choose what is heard."""

    def __init__(self, view: View, actions: Actions) -> None:
        self._view, self._actions = view, actions
        self.abx_setup = AbxSetup(actions)
        view.abx.about = self.abx_setup.about

    def select(self, path: str) -> None:
        """Monitor dry, a, b, delta or ghost; the plots follow what is heard."""
        self._actions.select_monitor(path)
        if path != "dry" and not self._view.abx.running:
            self._view.scope.show_path(path)  # also if it was heard already, and another one drawn

    def press_digit(self, key: str) -> None:
        """Select the path of a digit key; during an ABX test, press the button of that key."""
        if self._view.abx.running:
            self._view.abx.key(key)
        elif int(key) <= len(theme.PATHS):
            self.select(list(theme.PATHS)[int(key) - 1])

    def press_space(self) -> None:
        """Swap A and B, or press the button that has the keyboard focus."""
        if not shortcuts.press_focused() and not self._view.abx.running:
            self.select("b" if self._actions.client.values["monitor"] == "a" else "a")

    def toggle_match(self) -> None:
        """Switch level matching of A and B to dry on or off."""
        self._actions.change("match", "follow" if self._actions.client.values["match"] == "off" else "off")

    def start_abx(self) -> None:
        """Loop the last seconds, match the levels, and hide everything."""
        self.abx_setup.loop_and_match()
        QTimer.singleShot(round(1000 * LOOP_S), self.abx_setup.hold_levels)
        self._view.strip.blind.setChecked(True)
        self._view.strip.lock(True)

    def end_abx(self) -> None:
        """Restore the values from before the test, and show everything."""
        self.abx_setup.restore()
        self._view.strip.lock(False)
        self._view.strip.blind.setChecked(False)
