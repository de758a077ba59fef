"""Context menu of buttons that stand for a parameter: learn a control of OSC or MIDI for it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QAbstractButton, QMenu, QWidget

LEARN = "Learn (OSC or MIDI)"


class LearnMenu(QObject):
    """Opens the menu on buttons whose property `parameter` names one."""

    def __init__(self, view: QWidget, learn: Callable[[str], object]) -> None:
        super().__init__(view)
        self._learn = learn
        self.watch(view)

    def watch(self, part: QWidget) -> None:
        """Open the menu on the buttons in `part` too, as on cards that were just made."""
        for button in part.findChildren(QAbstractButton):
            if button.property("parameter") and not button.property("learns"):
                button.setProperty("learns", True)
                button.installEventFilter(self)

    def menu(self, button: QWidget) -> QMenu:
        """Return the menu of a button."""
        made, name = QMenu(button), str(button.property("parameter"))
        made.addAction(LEARN, lambda: self._learn(name))
        return made

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if isinstance(event, QContextMenuEvent) and isinstance(watched, QWidget):
            self.menu(watched).exec(event.globalPos())
            return True
        return False
