"""One stream of a live session, from its first block to its last, and everything beside it that is not audio.

What is asked of the session meanwhile (orders.py) is done here, some 20 times a second, between two looks at the rest.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from realtime.console import View
from realtime.engine import Engine
from realtime.load import Load
from realtime.match import Match
from realtime.orders import Order, Orders
from realtime.rack.patch_source import PatchSource
from realtime.report import make_report, write_report
from realtime.session import Session
from realtime.sources import INPUT, Sources
from realtime.takes import Take, Takes
from realtime.timeline import Field
from realtime.wholefile import FileError

POLL_S = 0.05


class Stage:
    """Run once, from the session's thread."""

    def __init__(self, session: Session, engine: Engine, orders: Orders, place: Path) -> None:
        """`place` is a directory for what is made meanwhile."""
        self._place = place
        self.session, self.engine = session, engine
        self.again: Order | None = None  # of the restart that ended it
        self._orders = orders
        self._quit = False
        self._takes = Takes(engine)
        self._do: dict[str, Callable[[Order], None]] = {
            "record": self._takes.record,
            "record.directory": self._takes.keep,
            "source": self._feed,
            "capture": lambda order: self._sources.capture(order),
            "restart": self._restart,
            "quit": self._end,
        }

    def run(
        self, stopping: threading.Event, serve: Callable[[View], None], announce: Callable[[], None]
    ) -> dict[str, Any]:
        """Play until it ends, or `stopping`; the report. `serve` before the first block, `announce` after it."""
        session, engine = self.session, self.engine
        for remark in engine.remarks:
            print(remark)
        if engine.warm_up_load >= 1.0 and not session.settings.offline:
            print(
                f"these codecs take {engine.warm_up_load:.2f} × real time here: holes are certain. "
                "Pass fewer steps, a smaller codec, or use a GPU."
            )
        with contextlib.ExitStack() as at_end:
            view = View(engine, session.length)
            at_end.callback(view.close)
            view.monitor = engine.values["monitor"]
            if session.card:
                view.say(str(session.card.found))
            serve(view)
            first = self._takes.begin(session.record, Order("record")) if session.record else None
            self._driver = session.open_driver(engine, self._takes.poll)
            self._sources = Sources(engine, self._driver, self._place)
            at_end.callback(self._sources.close)
            self._obey()  # what was asked for at the start is from the first sample on
            load = Load(engine)
            try:
                self._driver.start()
                announce()
            except BaseException:
                self._takes.finish(0)
                raise
            try:
                self._watch(view, load, stopping)
            finally:  # also when the terminal is gone
                self._driver.stop()
                engine.stop()
                self._takes.finish(self._driver.taken)
                report = self._report(load, first)
        if self._driver.error:
            raise self._driver.error
        if first and first.error:
            raise first.error
        return report

    def _watch(self, view: View, load: Load, stopping: threading.Event) -> None:
        """Until the stream ends."""
        session, engine, driver = self.session, self.engine, self._driver
        schedule = sorted(session.schedule, key=lambda entry: entry[0])
        match = Match(engine)
        while driver.running and not stopping.is_set() and not self._quit and not self.again:
            played = engine.timeline.load(Field.PLAYED_END) / session.settings.rate
            while schedule and schedule[0][0] <= played:
                _, name, value = schedule.pop(0)
                engine.set(name, value)
            self._obey()
            view.monitor = engine.values["monitor"]
            remarks = session.source.remarks() if isinstance(session.source, PatchSource) else []
            for message in (engine.watch(), driver.watch(), load.poll(), *remarks):
                if message:
                    view.say(message)
            if not session.settings.offline:  # there the driver's own thread does it, and there is nobody to hear it
                match.poll()
                self._sources.poll()
                for message in self._takes.poll(driver.taken):
                    view.say(message)
            view.update()
            driver.join(POLL_S)
        if self._quit or self.again:
            engine.fade_out()

    def _report(self, load: Load, recording: Take | None) -> dict[str, Any]:
        session = self.session
        report = make_report(self.engine, self._driver.taken)
        report["headroom_samples"] = load.lowest_headroom
        report["steps_down"] = load.steps_down
        if recording:
            report["recording"] = str(recording.directory)
        if session.card:
            report["device"] = facts = session.card.facts
            report["device_latency_samples"] = facts["device_latency_samples"]
        if session.report:
            write_report(session.report, report)
        return report

    def _obey(self) -> None:
        """Do what has been asked."""
        for order in self._orders.take():
            try:
                self._do[order.what](order)
            except FileError as error:
                order.fail(error)

    def _feed(self, order: Order) -> None:
        if self.session.settings.offline and order.args[0] != INPUT:
            raise FileError("the file driver plays one source from end to end. Pass it with --input.")
        self._sources.source(order)

    def _restart(self, order: Order) -> None:
        if self.session.reopen is None:
            order.fail("this session cannot be begun again. Start another.")
        else:
            self.again = order

    def _end(self, order: Order) -> None:
        self._quit = True
        order.done()
