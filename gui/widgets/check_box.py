"""Check box of which all of its cell reacts, not the square and its text alone."""

from __future__ import annotations

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QCheckBox


class CheckBox(QCheckBox):
    """Check box that a click anywhere in its rectangle turns on or off."""

    def hitButton(self, pos: QPoint) -> bool:  # noqa: N802 - Qt's name
        """Return True for every position in the rectangle."""
        return self.rect().contains(pos)
