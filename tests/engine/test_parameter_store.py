"""Parameter store: consistent reads while other threads write."""

from __future__ import annotations

import threading

from realtime.engine.parameter_store import ParameterStore


def test_values_are_stored_and_read_by_name() -> None:
    store = ParameterStore({"gain": 0.0, "monitor": "a"})
    store.set("gain", -6.0)
    store.publish({"monitor": "b", "driver": "clock"})
    assert dict(store) == {"gain": -6.0, "monitor": "b", "driver": "clock"}
    assert len(store) == 3


def test_a_snapshot_is_a_copy() -> None:
    store = ParameterStore({"gain": 0.0})
    snapshot = store.snapshot()
    snapshot["gain"] = 1.0
    store.set("wet", 0.5)
    assert snapshot == {"gain": 1.0}
    assert store["gain"] == 0.0


def test_values_published_together_are_read_together() -> None:
    store = ParameterStore({"input": 0, "output": 0})
    stop, torn = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            values = store.snapshot()
            if values["input"] != values["output"]:
                torn.append(values)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(3000):
        store.publish({"input": number, "output": number, f"new.{number}": 0})
    stop.set()
    reader.join()
    assert not torn


def test_writers_in_several_threads_lose_nothing() -> None:
    store = ParameterStore({})

    def write(writer: int) -> None:
        for number in range(200):
            store.set(f"{writer}.{number}", number)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(store) == 800
