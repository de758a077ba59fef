"""Pictures of the window's pages, beside its own: FILE-codecs, -bends, -setup and -compact."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QApplication, QWidget

from gui.window import Window

PAGES = ("Bends", "Setup")
BENDS = 4  # that the page of bends shows


def save_pages(window: Window, path: Path) -> str:
    """Save the four pictures; return the file that cannot be written, or ""."""
    window.slot_control.open_browser("a")
    browser = window.slot_control.browser
    saved = {"codecs": _save(window, browser or window, path, "codecs")}
    if browser:
        browser.close()
    rack = window.view.bends.racks["a"]
    for _, bend in zip(range(BENDS), [bend for bend, _, passed in rack.add.entries if not passed], strict=False):
        rack.add_bend(bend)  # an empty page shows nothing of them
    window.numbers_s = 0.0  # with every tick, among them the check of the level
    for page in PAGES:
        window.overlays.open_page(page)
        saved[page] = _save(window, window.view.side_panel, path, page.lower())
    window.toggle_compact()
    saved["compact"] = _save(window, window, path, "compact")
    window.toggle_compact()
    return next((file for file in saved.values() if file), "")


def _save(window: Window, part: QWidget, path: Path, name: str) -> str:
    """Save a picture of a part; return its path if that failed."""
    for _ in range(4):
        QApplication.processEvents()
        window.tick()
    file = path.with_name(f"{path.stem}-{name}{path.suffix}")
    return "" if part.grab().save(str(file), "PNG") else str(file)
