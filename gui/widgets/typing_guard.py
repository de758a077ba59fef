"""Guard of single-letter shortcuts against words that are typed while no text field has the focus."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QWidget

BEFORE_S = 0.8  # without another character before a guarded key
AFTER_MS = 250  # without one after it
SAME_S = 0.002  # within which two events of one character are one key


class TypingGuard(QObject):
    """Lets a guarded key act only if no other character comes shortly before or after it, so that
    a codec's name that is typed beside the text field starts no recording.
    """

    def __init__(self, window: QWidget, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock`: seconds."""
        super().__init__(window)
        self._clock, self._text = clock, ""
        self._last = self._before = float("-inf")  # times of the last two characters
        self._count = 0
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        # The window and the widget with the focus see every character first; a filter of the whole application
        # would be called some fifty times a picture.
        window.window().installEventFilter(self)
        application.focusChanged.connect(self._follow)
        self._follow(None, QApplication.focusWidget())

    def _follow(self, before: QWidget | None, now: QWidget | None) -> None:
        """Move to the widget that has the focus now."""
        if before is not None and before is not before.window():
            before.removeEventFilter(self)
        if now is not None:
            now.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Note the time of each character, once although its event goes to every parent, too."""
        if event.type() == QEvent.Type.ShortcutOverride:
            key, now = cast(QKeyEvent, event), self._clock()
            text = key.text().strip()
            if text and not key.isAutoRepeat() and (text != self._text or now - self._last > SAME_S):
                self._before = self._last if text != self._text else float("-inf")  # a key pressed twice is no word
                self._last, self._text = now, text
                self._count += 1
        return False

    def guard(self, action: Callable[[], object]) -> Callable[[], None]:
        """Return the action, guarded."""

        def act() -> None:
            count = self._count
            if self._clock() - self._before > BEFORE_S:
                QTimer.singleShot(AFTER_MS, self, lambda: action() if self._count == count else None)

        return act
