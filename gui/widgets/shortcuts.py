"""Keyboard shortcuts and their help."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractButton, QApplication, QPushButton, QWidget

HELP = (
    ("1 2 3 4", "hear dry, A, B, Δ"),
    ("G", "hear the ghost, A − B"),
    ("Space", "swap A and B"),
    ("P, Shift+P", "switch A, B between the continuous and the discrete path"),
    ("K, Shift+K", "choose the codec of A, B"),
    ("Esc", "mute"),
    ("L", "level match"),
    ("B", "blind"),
    ("F", "freeze the plots"),
    ("N", "frequency axis by notes, or by hertz"),
    ("R", "record"),
    ("T", "latency, term by term"),
    ("H", "history of messages"),
    ("C", "compact window: monitor, codecs, levels, latency"),
    ("D", "open or close the side panel: bends, effects, morph, mix, play, ABX, setup"),
    ("1 2 3, 4 5", "ABX test: hear A, B, X; X is A, X is B"),
    ("Ctrl+O", "play an audio file or a tape"),
    ("Ctrl+Return", "start or stop the engine"),
    ("Ctrl+Z, Ctrl+Shift+Z", "undo, redo"),
    ("Tab, arrow keys", "focus a control, change its value"),
    ("Home", "reset a slider"),
    ("F1", "tour"),
    ("?", "this table"),
)


def press_focused() -> bool:
    """Press the button that has the keyboard focus; return False if there is none."""
    focus = QApplication.focusWidget()
    if isinstance(focus, QAbstractButton):
        focus.click()
        return True
    return False


def use_tab_focus_only(window: QWidget) -> None:
    """Let buttons take focus by Tab only, so that Space still swaps A and B after a click."""
    for button in window.findChildren(QAbstractButton):
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        if isinstance(button, QPushButton):
            button.setAutoDefault(True)  # Return presses it too


def bind(window: QWidget, keys: Mapping[str, Callable[[], object]]) -> None:
    """Bind keys to actions; a text field that has the focus takes its keys first."""
    for key, action in keys.items():
        shortcut = QShortcut(QKeySequence(key), window)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.activated.connect(action)
        shortcut.setAutoRepeat(False)
        shortcut.setObjectName(key)
