"""Check of a window: every visible text fits its widget, and every widget its parent."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QRect
from PySide6.QtGui import QFont, QFontMetrics
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QApplication,
    QLabel,
    QMainWindow,
    QPushButton,
    QWidget,
)

from gui.widgets.elided import ElidedButton, ElidedLabel
from gui.widgets.readout import Readout

LEAST = 4  # letters of a name that is cut which must be left


def clipped(window: QMainWindow) -> list[str]:
    """Return the visible labels whose text does not fit, and the widgets that reach beyond their parent."""
    QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)  # of texts that this very tick has changed
    found = []
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or widget.window() is not window:
            continue
        text, width = needed(widget)
        if width > widget.width():
            found.append(f"{text!r} needs {width} pixels and has {widget.width()}")
        if not inside(widget):
            found.append(f"{type(widget).__name__} {text!r} at {widget.geometry()} is outside {type(widget.parent())}")
    return found


def needed(widget: QWidget) -> tuple[str, int]:
    """Return the text of a widget and the pixels that it needs, bold where it can be."""
    font = QFont(widget.font())
    if isinstance(widget, QLabel) and not isinstance(widget, ElidedLabel) and not widget.wordWrap():
        elsewhere = widget.objectName() == "note" or widget.sizePolicy().horizontalPolicy().name == "Ignored"
        return widget.text(), 0 if elsewhere else QFontMetrics(font).horizontalAdvance(widget.text())
    if isinstance(widget, ElidedButton):
        return widget.name, LEAST * widget.fontMetrics().averageCharWidth() + widget.width() - widget.text_room()
    if isinstance(widget, QAbstractButton):
        font.setBold(isinstance(widget, QPushButton) and widget.isCheckable())
        return widget.text(), QFontMetrics(font).horizontalAdvance(widget.text())
    if isinstance(widget, Readout):
        return widget.value, widget.minimumSizeHint().width()
    return "", 0


def inside(widget: QWidget) -> bool:
    """Return True if a widget lies within its parent; the content of a scroll area may be higher."""
    parent = widget.parentWidget()
    if parent is None or "qt_" in widget.objectName():
        return True
    rect, room = widget.geometry(), QRect(QPoint(0, 0), parent.size())
    if isinstance(parent.parent(), QAbstractScrollArea):
        return rect.left() >= -1 and rect.right() <= room.right() + 1
    return room.adjusted(-1, -1, 1, 1).contains(rect)
