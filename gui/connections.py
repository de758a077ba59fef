"""Connections from widgets and keys to actions."""

from __future__ import annotations

from functools import partial

from gui.engine_view import EngineView
from gui.model.actions import Actions
from gui.monitoring import Monitoring
from gui.overlays import Overlays
from gui.pages.abx import KEYS as ABX_KEYS
from gui.slot_control import SlotControl
from gui.status_line import StatusLine
from gui.view import View
from gui.widgets import shortcuts
from gui.widgets.typing_guard import TypingGuard


def connect(
    view: View,
    actions: Actions,
    monitoring: Monitoring,
    overlays: Overlays,
    engine_view: EngineView,
    status: StatusLine,
    slots: SlotControl,
) -> None:
    """Connect all signals and shortcuts of the view."""
    toggle_match = partial(_toggle_match, monitoring, engine_view)
    _connect_strip(view, actions, monitoring)
    view.strip.match.clicked.connect(toggle_match)
    _connect_header(view, actions, overlays)
    _connect_pages(view, actions, monitoring)
    status.connect_remedies(
        {
            "start": lambda health: actions.start(),
            "steps": lambda health: actions.take_fewer_steps(),
            "unmute": lambda health: actions.change("mute", False),
            "latency": lambda health: actions.send("/verdigris/restart", ("latency", health.latency)),
        }
    )
    alone = TypingGuard(view)
    shortcuts.bind(
        view,
        {
            **{key: partial(monitoring.press_digit, key) for key in ABX_KEYS},
            "G": partial(monitoring.select, "ghost"),
            "Space": monitoring.press_space,
            "Esc": partial(actions.toggle, "mute"),
            "L": toggle_match,
            "B": view.strip.blind.click,
            "F": view.strip.freeze.click,
            "P": alone.guard(partial(slots.toggle_path, "a")),
            "Shift+P": alone.guard(partial(slots.toggle_path, "b")),
            "K": alone.guard(partial(slots.open_browser, "a")),
            "Shift+K": alone.guard(partial(slots.open_browser, "b")),
            "R": alone.guard(partial(actions.toggle, "record")),
            "N": view.scope.notes.click,
            "D": overlays.toggle_side_panel,
            "Ctrl+Return": actions.run_or_stop,
            "Ctrl+Z": actions.undo,
            "Ctrl+Shift+Z": actions.redo,
            "H": view.messages.history.click,
            "T": overlays.open_latency,
            "?": overlays.open_keys,
        },
    )


def _toggle_match(monitoring: Monitoring, engine_view: EngineView, *_: object) -> None:
    monitoring.toggle_match()
    engine_view.show_values()  # the button shows the engine's value, not its own


def _connect_strip(view: View, actions: Actions, monitoring: Monitoring) -> None:
    strip = view.strip
    strip.monitored.connect(monitoring.select)
    strip.record.clicked.connect(lambda: actions.toggle("record"))
    strip.mute.clicked.connect(lambda: actions.toggle("mute"))
    strip.freeze.toggled.connect(view.scope.freeze)
    strip.blind.toggled.connect(view.show_blind)


def _connect_header(view: View, actions: Actions, overlays: Overlays) -> None:
    header = view.header
    header.run_pressed.connect(actions.run_or_stop)
    header.device_pressed.connect(partial(overlays.open_page, "Setup"))
    header.latency_pressed.connect(overlays.open_latency)
    header.dropouts_pressed.connect(overlays.open_dropouts)


def _connect_pages(view: View, actions: Actions, monitoring: Monitoring) -> None:
    for part in (view.slots, view.bends, view.effects, view.mix):
        part.changed.connect(actions.change)
        part.wants_to_learn.connect(actions.learn)
    view.mix.ghost_wanted.connect(actions.ghost)
    view.bends.reset.connect(actions.reset_bends)
    view.effects.added.connect(actions.add_effect)
    view.effects.moved.connect(lambda *where: actions.send("/verdigris/rack/move", where))
    view.effects.removed.connect(lambda *where: actions.send("/verdigris/rack/remove", where))
    view.effects.file_added.connect(actions.start_with_effect)
    view.play.changed.connect(actions.change)
    view.play.captured.connect(actions.capture)
    view.abx.started.connect(monitoring.start_abx)
    view.abx.ended.connect(monitoring.end_abx)
    view.abx.heard.connect(partial(actions.client.set, "monitor"))
    view.morph.sent.connect(actions.send)
    view.morph.preset_saved.connect(partial(_save_preset, view, actions))
    view.morph.preset_chosen.connect(actions.load_preset)
    view.setup.start_wanted.connect(actions.start_with)
    view.setup.devices_wanted.connect(partial(actions.client.ask, "devices"))
    view.scope.scale_changed.connect(view.spectrum.set_scale)
    view.scope.shown_changed.connect(lambda path: view.show_titles())


def _save_preset(view: View, actions: Actions, name: str) -> None:
    actions.save_preset(name)
    view.morph.list_presets(actions.settings.presets(), name)
