"""Parameter changes on their way to the worker."""

from __future__ import annotations

from realtime.worker.handle import WorkerHandle
from realtime.worker.messages import ApplyChanges, ParameterChange

MAX_IN_FLIGHT = 32  # unread messages; further changes are deferred, and the last value of each counts


class ChangeOutbox:
    """Changes that wait while no worker reads them. The engine's lock protects it."""

    def __init__(self) -> None:
        self._deferred: dict[tuple[int, str, int | None], ParameterChange] = {}

    def send(self, worker: WorkerHandle | None, change: ParameterChange) -> None:
        """Send a change, or defer it while there is no worker or that has too many unread messages."""
        if worker is None or worker.in_flight >= MAX_IN_FLIGHT:
            self._deferred[(change.slot, change.name, change.at)] = change
        else:
            worker.send(ApplyChanges((change,)))

    def flush(self, worker: WorkerHandle) -> None:
        """Send the deferred changes, as far as the worker has read the earlier ones."""
        if self._deferred and worker.in_flight < MAX_IN_FLIGHT:
            deferred, self._deferred = self._deferred, {}
            for change in deferred.values():
                self.send(worker, change)

    def clear(self) -> None:
        """Drop the deferred changes: the next worker's request has them."""
        self._deferred.clear()
