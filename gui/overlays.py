"""Pages of the side panel and popups over the view."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QWidget

from gui.latency.latency_popup import LatencyPopup
from gui.view import View
from gui.widgets import shortcuts
from gui.widgets.popup_table import PopupTable
from realtime.client import Client


class Overlays:
    """Opens pages and popups."""

    def __init__(self, view: View, client: Client) -> None:
        self._view, self._client = view, client
        self.popup: PopupTable | None = None  # the last one
        self.latency: LatencyPopup | None = None  # the last one

    def toggle_side_panel(self) -> None:
        self._view.show_side_panel(not self._view.side_panel_open)

    def open_page(self, page: str) -> None:
        """Open the side panel at a page, or close it if that page is open."""
        side_panel = self._view.side_panel
        if self._view.side_panel_open and side_panel.page == page:
            self._view.show_side_panel(False)
            return
        side_panel.show_page(page)
        self._view.show_side_panel(True)
        if page == "Setup":
            self._client.ask("devices")

    def open_latency(self) -> None:
        """Show the terms of the latency by slot."""
        self.latency = LatencyPopup(self._view, self._client.latency, self._client.rate)
        self.latency.open_under(self._view.header.latency)

    def open_dropouts(self) -> None:
        """Show the dropouts by kind."""
        dropouts = self._client.misses
        rows = [(kind, str(count)) for kind, count in dropouts.items()]
        self._open(self._view.header.dropouts, "DROPOUTS BY KIND", [*rows, ("all", str(sum(dropouts.values())))])

    def open_keys(self) -> None:
        """Show the keyboard shortcuts."""
        self._open(self._view.header.latency, "KEYS", shortcuts.HELP)

    def _open(self, under: QWidget, title: str, rows: Sequence[Sequence[str]]) -> None:
        self.popup = PopupTable(self._view, title, rows)
        self.popup.open_under(under)
