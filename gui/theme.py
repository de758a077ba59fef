"""Colours by role, type and the style sheet. One colour for each path everywhere; green and red mean health only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication, QWidget

BACKGROUND, PANEL, SUNKEN = "#121417", "#1a1d21", "#0c0e10"
LINE, TEXT, MUTED = "#2a2f35", "#e4e7ea", "#8b949e"
GOOD, BAD, ACCENT = "#3fb27f", "#f0524f", "#e4e7ea"
PATHS = {"dry": "#d9d9d9", "a": "#56b4e9", "b": "#e69f00", "delta": "#e0559a"}  # apart for most colour-blind viewers
BLIND = "#a7adb4"  # what every path is drawn in while names and colours are hidden
NAMES = {"dry": "DRY", "a": "A", "b": "B", "delta": "Δ"}

FAINT = "#5c656f"  # text of what cannot be used now
ARROW = (Path(__file__).parent / "down.png").as_posix()

BASE_PX = 13  # of text on a screen that is 900 pixels high


def scale_for(width: int, height: int) -> float:
    """How much larger than on a laptop everything is drawn on a screen of so many (device-independent) pixels."""
    return min(max(min(width / 1440, height / 900), 0.8), 2.0)


def colour(role: str, alpha: float = 1.0) -> QColor:
    """A role's colour, for a painter."""
    made = QColor(role)
    made.setAlphaF(alpha)
    return made


def em(widget: QWidget) -> int:
    """The size of a widget's text in pixels; painted widgets measure in it."""
    return max(8, widget.fontInfo().pixelSize())


def digits(widget: QWidget, factor: float = 1.0, *, bold: bool = False) -> QFont:
    """Monospaced, so that numbers do not dance."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPixelSize(max(8, round(em(widget) * factor)))
    font.setBold(bold)
    return font


def small(widget: QWidget, factor: float = 0.85) -> QFont:
    """Of labels on axes."""
    font = QFont(widget.font())
    font.setPixelSize(max(8, round(em(widget) * factor)))
    return font


def apply(app: QApplication, scale: float) -> None:
    """Dress the whole application."""
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
    app.setStyleSheet(style_sheet(scale))


def style_sheet(scale: float) -> str:
    """QSS of everything that is not painted by hand; a focus ring wherever the keyboard may be."""

    def px(pixels: float) -> str:
        return f"{max(1, round(pixels * scale))}px"

    paths = "".join(
        f'QPushButton[path="{name}"] {{ color: {hue}; border-color: {hue}; font-weight: bold; }}'
        f'QPushButton[path="{name}"]:checked {{ background: {hue}; color: {BACKGROUND}; border-color: {hue}; }}'
        f'QPushButton[path="{name}"]:focus {{ border: {px(2)} solid {TEXT}; }}'
        for name, hue in {**PATHS, "ghost": MUTED, "blind": BLIND}.items()
    )
    return f"""
    QWidget {{ background: {BACKGROUND}; color: {TEXT}; }}
    QLabel, QCheckBox, QAbstractScrollArea, QStackedWidget, QFrame#body, QWidget#clear {{ background: transparent; }}
    QFrame#panel {{ background: {PANEL}; border: 1px solid {LINE}; border-radius: {px(4)}; }}
    QFrame#panel QWidget {{ background: transparent; }}
    QLabel#title {{ color: {MUTED}; font-size: {px(11)}; font-weight: bold; letter-spacing: {px(0.6)}; }}
    QLabel#note, QLabel#muted {{ color: {MUTED}; font-size: {px(11)}; }}
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
    QPushButton#run {{ background: {GOOD}; color: {BACKGROUND}; border-color: {GOOD}; font-weight: bold; }}
    QPushButton#run:focus {{ border: {px(2)} solid {TEXT}; }}
    QPushButton#rec:checked {{ background: {BAD}; color: {BACKGROUND}; border-color: {BAD}; font-weight: bold; }}
    QComboBox QAbstractItemView {{ background: {PANEL}; border: 1px solid {LINE}; }}
    QComboBox QLineEdit, QFrame#panel QComboBox QLineEdit, QComboBox QLineEdit:focus {{ border: 0; padding: 0;
        background: transparent; }}
    QComboBox::drop-down {{ border: 0; width: {px(18)}; }}
    QComboBox::down-arrow {{ image: url({ARROW}); width: {px(8)}; height: {px(5)}; margin-right: {px(6)}; }}
    QSlider {{ min-height: {px(18)}; }}
    QSlider::groove:horizontal {{ background: {SUNKEN}; height: {px(3)}; }}
    QSlider::sub-page:horizontal {{ background: {MUTED}; height: {px(3)}; }}
    QSlider::handle:horizontal {{ background: {LINE}; border: 1px solid {MUTED}; width: {px(8)};
        margin: -{px(6)} 0; border-radius: {px(2)}; }}
    QSlider::handle:horizontal:focus, QSlider:focus::handle:horizontal {{ background: {TEXT}; }}
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
    {paths}
    """
