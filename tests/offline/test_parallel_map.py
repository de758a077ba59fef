"""A function applied to many items by several processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.offline.parallel_map import Outcome, apply, map_in_processes
from realtime.system.platform.stop_signals import is_running

DIE = "__import__('os')._exit(7)"


def test_every_item_has_one_outcome_whatever_happens_to_others(tmp_path: Path) -> None:
    once = f"__import__('os').path.exists({str(tmp_path / 'seen')!r}) or (open({str(tmp_path / 'seen')!r}, 'w'), {DIE})"
    items = ["1 + 1", "1 / 0", DIE, once, "2 + 2"]
    outcomes = {outcome.item: outcome for outcome in map_in_processes(eval, items, jobs=2)}
    assert len(outcomes) == len(items)
    assert outcomes["1 + 1"].result == 2
    assert outcomes["2 + 2"].result == 4
    assert outcomes["1 / 0"] == Outcome("1 / 0", None, "ZeroDivisionError: division by zero")
    assert "its process died 2 times (exit code 7)" in outcomes[DIE].error
    assert outcomes[once].result is True, "an item whose process died is given to another one"


def test_each_process_computes_with_one_thread() -> None:
    (outcome,) = map_in_processes(eval, ["__import__('models.cores').cores.usable_cores()"], jobs=1)
    assert outcome.result == 1


def test_processes_end_when_the_iterator_is_closed() -> None:
    outcomes = map_in_processes(eval, ["__import__('os').getpid()", "__import__('time').sleep(600)"], jobs=2)
    with contextlib.closing(outcomes):  # type: ignore[type-var]  # a generator
        pid = next(iter(outcomes)).result
        assert isinstance(pid, int)
        assert pid != os.getpid()
    assert not is_running(pid)


def test_no_items_start_no_process() -> None:
    assert list(map_in_processes(eval, [])) == []


@pytest.mark.parametrize(("item", "error"), [("open('/missing/file')", "No such file"), ("nope", "NameError")])
def test_an_error_is_told_in_one_line(item: str, error: str) -> None:
    assert error in apply(eval, item).error
    assert "\n" not in apply(eval, item).error


def test_a_process_whose_owner_is_killed_ends() -> None:
    code = (
        "from realtime.offline.parallel_map import map_in_processes\n"
        "import os\n"
        "if __name__ == '__main__':\n"
        "    found = map_in_processes(eval, [\"__import__('os').getpid()\"] * 2, 1)\n"
        "    print(next(found).result, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as owner:
        # The output ends once the child, which has inherited the pipe, has ended too.
        assert owner.communicate(timeout=60)[0].strip().isdigit()
