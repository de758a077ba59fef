"""List of codecs for a slot: searchable, in groups, with what each of them costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gui.model.codec_list import Choice
from gui.widgets import theme

COLUMNS = ("Codec", "kbit/s", "Latency", "Licence", "Weights", "Keeps up here")
WIDTHS = (12, 8, 6, 9, 11, 8)  # em
ROLE = Qt.ItemDataRole.UserRole
MOVES = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)
Groups = list[tuple[str, list[Choice]]]


class CodecBrowser(QFrame):
    """Popup. Signals: `chosen(codec)` and `checkpoint_wanted` by the user. Esc closes it."""

    chosen = Signal(str)
    checkpoint_wanted = Signal()

    def __init__(self, parent: QWidget, slot: str, list_codecs: Callable[[str], Groups], current: str) -> None:
        """`list_codecs` returns the choices that match a search; `current` is the codec's family."""
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("panel")
        self.setAccessibleName(f"codecs for slot {theme.NAMES[slot]}")
        self._list_codecs, self._current = list_codecs, current
        title = QLabel(f"CODEC OF SLOT {theme.NAMES[slot]}")
        title.setObjectName("title")
        title.setStyleSheet(f"color: {theme.PATHS[slot]}")
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search, or type a name such as opus:32")
        self.search.setAccessibleName(f"search the codecs for slot {theme.NAMES[slot]}")
        self.search.installEventFilter(self)
        self.search.textChanged.connect(lambda _: self.fill())
        self.tree = QTreeWidget()
        self.tree.setAccessibleName("codecs")
        self.tree.setHeaderLabels(COLUMNS)
        self.tree.setRootIsDecorated(False)
        self.tree.setIndentation(0)
        self.tree.setUniformRowHeights(True)
        self.tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.tree.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.tree.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.tree.itemClicked.connect(self._on_click)
        self.tree.currentItemChanged.connect(lambda *_: self._explain())
        self.details = QLabel()
        self.details.setObjectName("muted")
        self.details.setWordWrap(True)
        load = QPushButton("Load file …")
        load.setAccessibleName("load a checkpoint from a file")
        load.setToolTip("A network of your own: a .safetensors, .pt or .th file, or a .ts file for nn~, as of RAVE")
        load.clicked.connect(self._load)
        below = QHBoxLayout()
        below.addWidget(self.details, 1)
        below.addWidget(load)
        layout = QVBoxLayout(self)
        for part in (title, self.search, self.tree):
            layout.addWidget(part)
        layout.addLayout(below)
        em = theme.em(self)
        header = self.tree.header()
        header.setStretchLastSection(True)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        for column, width in enumerate(WIDTHS):
            self.tree.setColumnWidth(column, width * em)
        self.details.setMinimumHeight(round(2.6 * em))
        self.fill()

    def open_under(self, widget: QWidget, inside: QWidget) -> None:
        """Show the list under a widget, within the window `inside`."""
        em = theme.em(self)
        wide = min(sum(WIDTHS) * em + 3 * em, inside.width() - 8)
        corner = widget.mapToGlobal(QPoint(0, widget.height() + 4))
        area = inside.mapToGlobal(QPoint(0, 0))
        row = self.tree.sizeHintForRow(0) or 2 * em
        high = min((self.tree.topLevelItemCount() + 2) * row + 10 * em, area.y() + inside.height() - corner.y() - 4)
        self.resize(wide, max(high, 12 * em))
        self.move(min(corner.x(), area.x() + inside.width() - wide - 4), corner.y())
        self.show()
        self.search.setFocus()

    def fill(self) -> None:
        """List the codecs that match the search; the first one, or the current one, is selected."""
        self.tree.clear()
        selected: QTreeWidgetItem | None = None
        for name, choices in self._list_codecs(self.search.text()):
            if name:
                group = QTreeWidgetItem(self.tree, [name])
                group.setFlags(Qt.ItemFlag.NoItemFlags)
                group.setFirstColumnSpanned(True)
                group.setForeground(0, theme.colour(theme.MUTED))
                font = theme.small(self)
                font.setBold(True)
                group.setFont(0, font)
            for choice in choices:
                item = QTreeWidgetItem(self.tree, list(choice.columns))
                item.setData(0, ROLE, choice)
                if choice.keeps_up == "no":
                    item.setForeground(5, theme.colour(theme.BAD))
                elif choice.keeps_up == "yes":
                    item.setForeground(5, theme.colour(theme.GOOD))
                if selected is None or (not self.search.text() and choice.codec == self._current):
                    selected = item
        if selected:
            self.tree.setCurrentItem(selected)
        self._explain()

    def choose(self) -> None:
        """Choose the selected codec."""
        if choice := self._selected():
            self.close()
            self.chosen.emit(choice.codec)

    def _selected(self) -> Choice | None:
        item = self.tree.currentItem()
        return cast(Choice, item.data(0, ROLE)) if item else None

    def _explain(self) -> None:
        choice = self._selected()
        self.details.setText(choice.details if choice else "No codec matches. Type a family, as in opus:32, or a file.")

    def _on_click(self, item: QTreeWidgetItem) -> None:
        if item.data(0, ROLE):
            self.tree.setCurrentItem(item)
            self.choose()

    def _load(self) -> None:
        self.close()
        self.checkpoint_wanted.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Move through the list by the arrow keys of the search, and choose by Return."""
        if watched is self.search and event.type() == QEvent.Type.KeyPress:
            key = cast(QKeyEvent, event).key()
            if key in MOVES:
                self.tree.event(event)
                return True
            if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self.choose()
                return True
        return False
