"""What a hand can do without a mouse: one key each, shown where the buttons are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractButton, QApplication, QPushButton, QWidget

HELP = (
    ("1 2 3 4", "hear dry, A, B, Δ"),
    ("G", "hear the ghost, A less B"),
    ("Space", "swap A and B"),
    ("Esc", "mute"),
    ("L", "level match"),
    ("B", "blind"),
    ("F", "freeze the pictures"),
    ("R", "record"),
    ("D", "bends, morph, test and setup"),
    ("1 2 3, 4 5", "in a blind test: hear A, B, X; X is A, X is B"),
    ("Ctrl+Return", "start or stop the engine"),
    ("Ctrl+Z, Ctrl+Shift+Z", "undo, redo"),
    ("Tab, arrow keys", "go to any control and move it"),
    ("Home", "a slider back to its default"),
    ("?", "this sheet"),
)


def press_focused() -> bool:
    """Press the button that the Tab key has gone to, if there is one: Space is its key then."""
    focus = QApplication.focusWidget()
    if isinstance(focus, QAbstractButton):
        focus.click()
        return True
    return False


def only_by_tab(window: QWidget) -> None:
    """A button that was clicked keeps no focus, so that Space goes on to swap A and B."""
    for button in window.findChildren(QAbstractButton):
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        if isinstance(button, QPushButton):
            button.setAutoDefault(True)  # Return presses it, too


def bind(window: QWidget, keys: Mapping[str, Callable[[], object]]) -> None:
    """They do nothing while text is typed: a line that is edited takes them first."""
    for key, act in keys.items():
        shortcut = QShortcut(QKeySequence(key), window)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.activated.connect(lambda act=act: act())
        shortcut.setAutoRepeat(False)
        shortcut.setObjectName(key)
