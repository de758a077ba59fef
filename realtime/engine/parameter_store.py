"""Parameter store: the current values of all parameters of an engine."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from typing import Any


class ParameterStore(Mapping[str, Any]):
    """Values by parameter name. Any thread.

    Writers replace the whole mapping under a lock; readers need none and iterate over values that
    do not change meanwhile. Storing a value has no effect on the sound: `Engine.set` stores and
    applies.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._lock = threading.Lock()
        self._values = dict(values)

    def set(self, name: str, value: Any) -> None:
        """Store one value."""
        self.publish({name: value})

    def publish(self, values: Mapping[str, Any]) -> None:
        """Store several values at once."""
        with self._lock:
            self._values = {**self._values, **values}

    def replace(self, removed: Collection[str], values: Mapping[str, Any]) -> None:
        """Remove names and store values at once."""
        with self._lock:
            self._values = {name: value for name, value in self._values.items() if name not in removed} | dict(values)

    def snapshot(self) -> dict[str, Any]:
        """Return a copy of all values, taken at one moment."""
        return dict(self._values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
