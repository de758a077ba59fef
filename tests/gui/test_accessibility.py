"""Access: every control has a name, is reached by Tab, and every action has a key or a button."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QShortcut
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QWidget,
)

from gui.midi.midi_controls import in_words
from gui.widgets import shortcuts
from gui.widgets.readout import Readout
from gui.widgets.vector_bars import VectorBars
from gui.widgets.xy_pad import XYPad
from gui.window import Window
from realtime.client import Event
from realtime.parameters.table import Parameter, When
from tests.support.gui_rig import FakeClient, play

PAGES = ("Bends", "Effects", "Morph", "Mix", "Play", "ABX", "Setup", "Map")
CONTROLS = (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit, Readout, VectorBars, XYPad)


def with_everything(window: Window, client: FakeClient) -> None:
    """Play with effects, bends, bindings and messages, so that each kind of control exists."""
    play(window, client)
    client.effects = {"pre.1": "gain"}
    rows = (
        Parameter("pre.1.bypass", bool, False, When.FRAME, "bypass gain"),
        Parameter("pre.1.db", float, 0.0, When.FRAME, "gain in dB", -60.0, 24.0),
    )
    client.table |= {row.name: row for row in rows}
    client.values |= {row.name: row.default for row in rows}
    client.events.append(Event("facts", ("effects",)))
    for rack in window.view.bends.racks.values():
        for value, _, _ in rack.add.entries:
            rack.add_bend(value)
    window.user_actions.bindings = {"/midi/1/cc/1": "gain"}
    client.events.append(Event("fail", ("engine", "gone")))
    window.overlays.open_page("Map")
    window.tick()


def named(widget: QWidget) -> str:
    """Return the name that a screen reader says."""
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    return widget.accessibleName() or (text if any(letter.isalpha() for letter in text) else "")


def controls(window: Window) -> list[QWidget]:
    """Return all controls but the parts that Qt makes inside others."""
    found: list[QWidget] = []
    for kind in CONTROLS:
        for widget in window.findChildren(kind):
            owner = widget.parentWidget()
            inside = isinstance(owner, QComboBox | QAbstractSpinBox) or isinstance(widget, QScrollBar)
            shown_only = isinstance(widget, Readout) and widget.focusPolicy() == Qt.FocusPolicy.NoFocus
            if not inside and not shown_only and not widget.objectName().startswith("qt_"):
                found.append(widget)
    return found


def test_every_control_has_a_name(window: Window, client: FakeClient) -> None:
    with_everything(window, client)
    for widget in controls(window):
        assert named(widget), f"{type(widget).__name__} {widget.objectName()} in {widget.parentWidget()}"


def tab_order(window: Window) -> set[QWidget]:
    """Return the widgets that Tab reaches; of buttons that exclude each other, the arrow keys reach the
    rest.
    """
    found: set[QWidget] = set()
    widget = window.view.nextInFocusChain()
    while widget is not None and widget is not window.view:
        if widget.isVisible() and widget.isEnabled() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            found.add(widget)
            group = widget.group() if isinstance(widget, QAbstractButton) else None
            found |= set(group.buttons()) if group and group.exclusive() else set()
        widget = widget.nextInFocusChain()
    return found


def test_every_control_of_every_page_is_reached_by_tab(window: Window, client: FakeClient) -> None:
    with_everything(window, client)
    window.view.show_side_panel(True)
    for page in PAGES:
        window.view.side_panel.show_page(page)
        QApplication.processEvents()
        reached = tab_order(window)
        wanted = [widget for widget in controls(window) if widget.isVisible() and widget.isEnabled()]
        assert not [f"{page}: {named(widget)}" for widget in wanted if widget not in reached]


def test_every_key_is_bound_once_and_listed(window: Window) -> None:
    keys = [shortcut.key().toString() for shortcut in window.findChildren(QShortcut)]
    assert len(set(keys)) == len(keys)
    listed = " ".join(key for key, _ in shortcuts.HELP)
    missing = [key for key in keys if key.upper() not in listed.upper() and key.split("+")[-1] not in listed.split()]
    assert not missing


def test_every_page_is_opened_by_the_keyboard_alone(window: Window, client: FakeClient) -> None:
    play(window, client)
    QTest.keyClick(window, Qt.Key.Key_D)
    buttons = {b.accessibleName(): b for b in window.view.side_panel.findChildren(QAbstractButton)}
    for page in PAGES:
        button = buttons[f"page {page}"]
        button.setFocus(Qt.FocusReason.TabFocusReason)
        QTest.keyClick(button, Qt.Key.Key_Return)
        assert window.view.side_panel.page == page


def test_a_screen_reader_says_a_binding_in_words(window: Window, client: FakeClient) -> None:
    with_everything(window, client)
    names = [widget.accessibleName() for widget in window.view.mapping.findChildren(QAbstractButton)]
    assert f"unbind {in_words('/midi/1/cc/1')} from gain" in names
