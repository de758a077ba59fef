"""Save and restore the window's geometry, splitters and settings between runs."""

from __future__ import annotations

from typing import Any, TypeVar

from PySide6.QtCore import QByteArray, QSize

from gui.model.settings import Settings
from gui.tour import DONE
from gui.window import Window

MAX_SIZE = 100_000  # pixels
MAX_PID = 2**31  # more than any system has
T = TypeVar("T", str, list[Any], dict[str, Any])


def save(window: Window, settings: Settings) -> None:
    """Save the state of the window."""
    view, actions, compact = window.view, window.user_actions, window.arrangement.compact
    settings.save(
        {
            "geometry": bytes(window.saveGeometry().toBase64().data()).decode(),
            "size": list((window.full_size if compact else window.size()).toTuple()),
            "compact_size": list((window.size() if compact else window.compact_size).toTuple()),
            "compact": compact,
            "across": view.splitter_sizes(),
            "left": view.scope.splitter.sizes(),
            "right": view.right_splitter.sizes(),
            "drawer": view.side_panel.page if view.side_panel_open else "",
            "setup": view.setup.state(),
            "start": actions.start_settings.state(),
            "checkpoints": window.slot_control.codecs.yours,
            "snapshots": sorted(view.morph.stored),
            "bindings": actions.bindings,
            "tempo": window.controllers.state(),
            "notes": view.scope.notes.isChecked(),
        }
    )


def restore(window: Window, settings: Settings) -> None:
    """Restore the saved state; values that are missing, unfit or of another type are skipped."""
    view, actions, state = window.view, window.user_actions, settings.load()
    _restore_size(window, state)
    if page := _of(str, state.get("drawer")):
        window.overlays.open_page(page)
    splitters = {"across": view.main_splitter, "left": view.scope.splitter, "right": view.right_splitter}
    for name, splitter in splitters.items():
        sizes = _of(list, state.get(name))
        if len(sizes) == splitter.count() and all(isinstance(size, int) and 0 <= size < MAX_SIZE for size in sizes):
            if name == "across":
                view.side_width = sizes[2] or view.side_width
                sizes = [*sizes[:2], view.side_width]
            splitter.setSizes(sizes)
    view.setup.restore(_of(dict, state.get("setup")))
    actions.start_settings.restore(_of(dict, state.get("start")))
    window.slot_control.codecs.yours = [str(path) for path in _of(list, state.get("checkpoints"))]
    starting = state.get("starting")
    actions.start_settings.starting = starting if isinstance(starting, int) and 0 < starting < MAX_PID else 0
    window.tour.restore(state.get(DONE) is True)
    window.controllers.restore(_of(dict, state.get("tempo")))
    view.scope.notes.setChecked(state.get("notes") is not False)
    view.morph.restore(_of(list, state.get("snapshots")))
    actions.bindings = {str(address): str(name) for address, name in _of(dict, state.get("bindings")).items()}


def _restore_size(window: Window, state: dict[str, Any]) -> None:
    """Restore place and size of the window, as far as they fit this screen."""
    if geometry := _of(str, state.get("geometry")):
        window.restoreGeometry(QByteArray.fromBase64(geometry.encode()))
    small = window.arrangement.compact  # the screen has no room for more
    if compact := _size(state.get("compact_size")):
        window.compact_size = compact
    if full := _size(state.get("size")):
        window.full_size = full
        if not (small or window.isMaximized() or window.isFullScreen()):
            window.resize(full.boundedTo(window.room()))
    if state.get("compact") is True and not small:
        window.toggle_compact()
    if full and not small:
        window.full_size = full  # as it was, before this screen bounded it
    if window.arrangement.compact:
        window.resize(window.compact_size.boundedTo(window.room()))


def _size(given: Any) -> QSize | None:
    """Return a saved size; None if it is not one."""
    pixels = _of(list, given)
    fits = len(pixels) == 2 and all(isinstance(each, int) and 0 < each < MAX_SIZE for each in pixels)
    return QSize(*pixels) if fits else None


def _of(kind: type[T], given: Any) -> T:
    """Return `given` if it is of this type, else an empty value of the type."""
    return given if isinstance(given, kind) else kind()
