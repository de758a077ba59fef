"""What the window is next time as it was the last time: where it was, how it was divided, what was set up."""

from __future__ import annotations

from typing import Any, TypeVar

from PySide6.QtCore import QByteArray

from gui.store import Store
from gui.window import Window

LONGEST = 100_000  # pixels
T = TypeVar("T", str, list[Any], dict[str, Any])


def save(window: Window, store: Store) -> None:
    """Keep it."""
    store.save(
        {
            "geometry": bytes(window.saveGeometry().toBase64().data()).decode(),
            "across": window.across.sizes(),
            "left": window.scope.splitter.sizes(),
            "right": window.right.sizes(),
            "drawer": window.drawer.page if window.drawer.isVisible() else "",
            "setup": window.setup.state(),
            "flags": window.wishes.flags,
            "snapshots": sorted(window.morph.stored),
            "bindings": window.wishes.bindings,
            "shown": window.scope.shown,
        }
    )


def restore(window: Window, store: Store) -> None:
    """As it was; whatever is missing, no longer fits or is of another kind stays as it is."""
    state = store.load()
    if geometry := _of(str, state.get("geometry")):
        window.restoreGeometry(QByteArray.fromBase64(geometry.encode()))
    for splitter, name in ((window.across, "across"), (window.scope.splitter, "left"), (window.right, "right")):
        sizes = _of(list, state.get(name))
        if len(sizes) == splitter.count() and all(isinstance(size, int) and 0 <= size < LONGEST for size in sizes):
            splitter.setSizes(sizes)
    if page := _of(str, state.get("drawer")):
        window.open_drawer(page)
    window.setup.restore(_of(dict, state.get("setup")))
    window.wishes.flags = [str(flag) for flag in _of(list, state.get("flags"))]
    window.morph.restore(_of(list, state.get("snapshots")))
    window.wishes.bindings = {str(address): str(name) for address, name in _of(dict, state.get("bindings")).items()}
    if state.get("shown") in ("a", "b", "delta"):
        window.scope.show_path(state["shown"])


def _of(kind: type[T], given: Any) -> T:
    """What was given if it is of this kind, else an empty one."""
    return given if isinstance(given, kind) else kind()
