"""What the window is next time as it was the last time: where it was, how it was divided, what was set up."""

from __future__ import annotations

from PySide6.QtCore import QByteArray

from gui.store import Store
from gui.window import Window


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
    """As it was; whatever is missing or no longer fits stays as it is."""
    state = store.load()
    if geometry := state.get("geometry"):
        window.restoreGeometry(QByteArray.fromBase64(str(geometry).encode()))
    for splitter, name in ((window.across, "across"), (window.scope.splitter, "left"), (window.right, "right")):
        sizes = state.get(name, [])
        if len(sizes) == splitter.count() and all(isinstance(size, int) for size in sizes):
            splitter.setSizes(sizes)
    if page := state.get("drawer"):
        window.open_drawer(str(page))
    window.setup.restore(state.get("setup", {}))
    window.wishes.flags = [str(flag) for flag in state.get("flags", [])]
    window.morph.restore(state.get("snapshots", []))
    window.wishes.bindings = {str(address): str(name) for address, name in state.get("bindings", {}).items()}
    if state.get("shown") in ("a", "b", "delta"):
        window.scope.show_path(state["shown"])
