"""Theme: colours by role, fonts and the style sheet.

Each path has one colour; green and red mean health only.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from PySide6.QtGui import QColor, QFont, QFontDatabase, QFontMetrics, QPalette
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget

BACKGROUND, PANEL, SUNKEN = "#121417", "#1a1d21", "#0c0e10"
LINE, TEXT, MUTED = "#2a2f35", "#e4e7ea", "#929ba5"
GOOD, BAD, ACCENT = "#3fb27f", "#f0524f", "#e4e7ea"
PATHS = {"dry": "#d9d9d9", "a": "#56b4e9", "b": "#e69f00", "delta": "#ad5cff"}  # distinct for colour-blind viewers too
BLIND = "#a7adb4"  # colour of every path in blind mode
NAMES = {"dry": "DRY", "a": "A", "b": "B", "delta": "Δ", "ghost": "A − B"}

FAINT = "#808a94"  # text of disabled widgets
ARROW = (Path(__file__).parent / "down.png").as_posix()

BASE_PX = 13  # text size on a screen 900 pixels high


def scale_for(width: int, height: int) -> float:
    """Return the scale of all sizes for a screen of so many device-independent pixels; 1 for 1440 ×
    900. Text has at least 11 pixels, on the smallest screens 10.
    """
    return min(max(min(width / 1440, height / 900), 0.85 if width >= 700 else 0.77), 2.0)


@functools.cache
def colour(role: str, alpha: float = 1.0) -> QColor:
    """Return a role's colour for a painter, the same object each time."""
    made = QColor(role)
    made.setAlphaF(alpha)
    return made


def luminance(role: str) -> float:
    """Return the relative luminance of a colour, 0 to 1 (WCAG 2.2, "relative luminance")."""
    channels = (int(role[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable_on(role: str) -> str:
    """Return black or white, whichever has more contrast on a colour: at least 4.5 on any."""
    return max(("#000000", "#ffffff"), key=lambda text: contrast(text, role))


def em(widget: QWidget) -> int:
    """Return the text size of a widget in pixels, the unit of painted widgets."""
    size = widget.font().pixelSize()  # -1 if it is given in points; fontInfo takes longer
    return max(8, size if size > 0 else widget.fontInfo().pixelSize())


def digits(widget: QWidget, factor: float = 1.0, *, bold: bool = False) -> QFont:
    """Return a monospaced font, so that changing numbers keep their width."""
    return _fixed_font(max(8, round(em(widget) * factor)), bold)


@functools.cache
def _fixed_font(pixels: int, bold: bool) -> QFont:
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPixelSize(pixels)
    font.setBold(bold)
    return font


def small(widget: QWidget, factor: float = 0.85) -> QFont:
    """Return the font of axis labels."""
    font = QFont(widget.font())
    font.setPixelSize(max(8, round(em(widget) * factor)))
    return font


def fit_bold(button: QAbstractButton) -> None:
    """Make a button wide enough for its text in bold, so that it does not change when it is checked."""
    font = QFont(button.font())
    font.setBold(True)
    button.setMinimumWidth(QFontMetrics(font).horizontalAdvance(button.text()) + 2 * em(button))


def apply(app: QApplication, scale: float) -> None:
    """Apply font, palette and style sheet to the application, once for each scale: Qt styles all
    widgets anew.
    """
    sheet = style_sheet(scale)
    if sheet == app.styleSheet():
        return
    font = QFont(app.font())
    font.setPixelSize(round(BASE_PX * scale))
    app.setFont(font)
    palette = QPalette()
    roles: dict[Any, str] = {
        QPalette.ColorRole.Window: BACKGROUND,
        QPalette.ColorRole.WindowText: TEXT,
        QPalette.ColorRole.Base: SUNKEN,
        QPalette.ColorRole.AlternateBase: PANEL,
        QPalette.ColorRole.Text: TEXT,
        QPalette.ColorRole.Button: PANEL,
        QPalette.ColorRole.ButtonText: TEXT,
        QPalette.ColorRole.Highlight: LINE,
        QPalette.ColorRole.HighlightedText: TEXT,
        QPalette.ColorRole.ToolTipBase: PANEL,
        QPalette.ColorRole.ToolTipText: TEXT,
        QPalette.ColorRole.PlaceholderText: MUTED,
    }
    for role, name in roles.items():
        palette.setColor(role, QColor(name))
    app.setPalette(palette)
    app.setStyleSheet(sheet)


def style_sheet(scale: float) -> str:
    """Return the QSS of all standard widgets, with a focus ring for keyboard use."""

    def px(pixels: float) -> str:
        return f"{max(1, round(pixels * scale))}px"

    paths = "".join(
        f'QPushButton[path="{name}"] {{ color: {hue}; border-color: {hue}; font-weight: bold; }}'
        f'QPushButton[path="{name}"]:checked {{ background: {hue}; color: {BACKGROUND}; border-color: {hue}; }}'
        f'QPushButton[path="{name}"]:focus {{ border: {px(2)} solid {TEXT}; }}'
        for name, hue in {**PATHS, "ghost": MUTED, "blind": BLIND}.items()
    )
    slots = "".join(
        f'QFrame#panel QPushButton[slot="{name}"]:checked {{ background: {hue}; color: {BACKGROUND};'
        f" border-color: {hue}; font-weight: bold; }}"
        f'QSlider[slot="{name}"]::sub-page:horizontal {{ background: {hue}; height: {px(3)}; }}'
        for name, hue in PATHS.items()
    )
    stand_in = f'QPushButton[standin="true"]:checked {{ background: {PANEL}; color: {BAD}; border-color: {BAD}; }}'
    return f"""
    QWidget {{ background: {BACKGROUND}; color: {TEXT}; }}
    QLabel, QCheckBox, QAbstractScrollArea, QStackedWidget, QFrame#body, QWidget#clear {{ background: transparent; }}
    QFrame#panel {{ background: {PANEL}; border: 1px solid {LINE}; border-radius: {px(4)}; }}
    QFrame#panel QWidget {{ background: transparent; }}
    QFrame#panel QWidget[picture="true"] {{ background: {PANEL}; }}
    QLabel#title {{ color: {MUTED}; font-size: {px(11)}; font-weight: bold; letter-spacing: {px(0.6)}; }}
    QLabel#note, QLabel#muted {{ color: {MUTED}; font-size: {px(11)}; }}
    QLabel#strong {{ font-weight: bold; }}
    QFrame#panel QFrame#card, QFrame#card {{ background: {BACKGROUND}; border: 1px solid {LINE};
        border-radius: {px(4)}; }}
    QPushButton#tool, QFrame#panel QPushButton#tool {{ background: transparent; border: 1px solid transparent;
        padding: 0 {px(4)}; color: {TEXT}; }}
    QPushButton#tool:focus, QFrame#panel QPushButton#tool:focus {{ border: 1px solid {TEXT}; padding: 0 {px(4)}; }}
    QPushButton#tool:disabled, QFrame#panel QPushButton#tool:disabled {{ color: {FAINT}; border-color: transparent; }}
    QPushButton::menu-indicator {{ image: none; }}
    QMenu::item:disabled {{ color: {FAINT}; }}
    QLabel#good {{ color: {GOOD}; }}
    QLabel#bad {{ color: {BAD}; }}
    QPushButton, QToolButton, QComboBox, QSpinBox, QDoubleSpinBox, QLineEdit, QFrame#panel QPushButton,
    QFrame#panel QToolButton, QFrame#panel QComboBox, QFrame#panel QLineEdit {{
        background: {PANEL}; border: 1px solid {LINE}; border-radius: {px(3)}; padding: {px(4)} {px(9)};
        selection-background-color: {LINE}; }}
    QFrame#panel QPushButton, QFrame#panel QComboBox, QFrame#panel QLineEdit {{ background: {BACKGROUND}; }}
    QPushButton:hover, QToolButton:hover, QComboBox:hover {{ border-color: {MUTED}; }}
    QPushButton:focus, QToolButton:focus, QComboBox:focus, QLineEdit:focus, QFrame#panel QPushButton:focus,
    QFrame#panel QComboBox:focus, QFrame#panel QLineEdit:focus {{ border: {px(2)} solid {TEXT};
        padding: {px(3)} {px(8)}; }}
    QPushButton:checked, QFrame#panel QPushButton:checked {{ background: {LINE}; border-color: {MUTED}; }}
    QPushButton:disabled, QComboBox:disabled, QLineEdit:disabled {{ color: {FAINT}; border-color: {LINE}; }}
    QPushButton#flat, QFrame#panel QPushButton#flat {{ background: transparent; border: 1px solid transparent;
        padding: 0 {px(5)}; color: {MUTED}; font-size: {px(11)}; }}
    QPushButton#flat:checked, QFrame#panel QPushButton#flat:checked {{ color: {TEXT};
        border-bottom: {px(2)} solid {TEXT}; }}
    QPushButton#flat:focus, QFrame#panel QPushButton#flat:focus {{ border: 1px solid {TEXT}; padding: 0 {px(5)}; }}
    QPushButton#small, QFrame#panel QPushButton#small {{ padding: 0 {px(8)}; font-size: {px(11)}; }}
    QPushButton#small:focus, QFrame#panel QPushButton#small:focus {{ padding: 0 {px(7)}; }}
    QFrame#bar {{ background: {PANEL}; border: 1px solid {LINE}; border-radius: {px(3)}; }}
    QFrame#bar QLabel {{ font-size: {px(12)}; }}
    QPushButton#run {{ background: {GOOD}; color: {BACKGROUND}; border-color: {GOOD}; font-weight: bold; }}
    QPushButton#run:focus {{ border: {px(2)} solid {TEXT}; }}
    QPushButton#rec:checked {{ background: {BAD}; color: {BACKGROUND}; border-color: {BAD}; font-weight: bold; }}
    QComboBox QAbstractItemView {{ background: {PANEL}; border: 1px solid {LINE}; }}
    QComboBox QLineEdit, QFrame#panel QComboBox QLineEdit, QComboBox QLineEdit:focus {{ border: 0; padding: 0;
        background: transparent; }}
    QComboBox::drop-down {{ border: 0; width: {px(18)}; }}
    QComboBox::down-arrow {{ image: url({ARROW}); width: {px(8)}; height: {px(5)}; margin-right: {px(6)}; }}
    QSlider {{ min-height: {px(18)}; background: transparent; }}
    QSlider::groove:horizontal {{ background: {SUNKEN}; height: {px(3)}; }}
    QSlider::sub-page:horizontal {{ background: {MUTED}; height: {px(3)}; }}
    QSlider::handle:horizontal {{ background: {LINE}; border: 1px solid {MUTED}; width: {px(8)};
        margin: -{px(6)} 0; border-radius: {px(2)}; }}
    QSlider::handle:horizontal:focus {{ background: {TEXT}; }}
    QScrollBar:vertical {{ background: transparent; width: {px(8)}; margin: 0; }}
    QScrollBar::handle:vertical {{ background: {LINE}; border-radius: {px(3)}; min-height: {px(20)}; }}
    QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{
        background: none; height: 0; }}
    QCheckBox::indicator {{ width: {px(12)}; height: {px(12)}; border: 1px solid {MUTED}; background: {SUNKEN}; }}
    QCheckBox::indicator:checked {{ background: {TEXT}; }}
    QCheckBox:focus {{ border: 1px solid {TEXT}; }}
    QToolTip {{ background: {PANEL}; color: {TEXT}; border: 1px solid {MUTED}; padding: {px(4)}; }}
    QSplitter::handle {{ background: transparent; }}
    QMenu {{ background: {PANEL}; border: 1px solid {LINE}; }}
    QMenu::item:selected {{ background: {LINE}; }}
    QFrame#panel QPushButton#switch-continuous {{ border-top-right-radius: 0; border-bottom-right-radius: 0; }}
    QFrame#panel QPushButton#switch-discrete {{ border-top-left-radius: 0; border-bottom-left-radius: 0; }}
    QFrame#panel QPushButton#codec {{ text-align: left; font-weight: bold; }}
    QTreeWidget {{ border: 1px solid {LINE}; background: {PANEL}; outline: 0; }}
    QTreeWidget::item {{ padding: {px(2)} 0; border: 0; }}
    QTreeWidget::item:selected {{ background: {LINE}; color: {TEXT}; }}
    QHeaderView::section {{ background: {BACKGROUND}; color: {MUTED}; border: 0; padding: {px(3)};
        font-size: {px(11)}; }}
    {slots}
    {paths}
    {stand_in}
    """
