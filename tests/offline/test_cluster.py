"""Shards made by a Dask cluster on this machine."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from models.codec import CodecError
from realtime.offline.cluster import map_in_cluster
from realtime.offline.token_set import make_shards
from tests.offline.test_token_shards import audio, content, job

distributed = pytest.importorskip("distributed", reason='needs the extra "cluster"')

FILES = 24


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of Dask, about ports and a worker that ends
def test_a_worker_that_is_killed_half_way_loses_nothing_and_makes_nothing_twice(tmp_path: Path) -> None:
    for number in range(FILES):
        audio(tmp_path / "in" / f"{number:02}.wav", number, samples=200_000)
    killed: list[int] = []
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=tmp_path
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())

        def kill_one(done: int, total: int) -> None:
            if done >= total // 2 and not killed:
                os.kill(pids[0], signal.SIGKILL)
                killed.append(pids[0])

        facts = make_shards(
            job(tmp_path, files_per_shard=1), partial(map_in_cluster, "", client=client), progress=kill_one
        )
    assert len(set(pids)) == 2
    assert killed
    assert facts["files"] == FILES
    assert sorted(content(tmp_path / "out")) == [f"{number:02}.wav" for number in range(FILES)]
    assert not list((tmp_path / "out").glob("*.json.*"))


@pytest.mark.filterwarnings("default")
def test_a_cluster_that_does_not_answer_is_one_line() -> None:
    with pytest.raises(CodecError, match="does not answer"):
        list(map_in_cluster("nonsense://nowhere", str, [1]))
