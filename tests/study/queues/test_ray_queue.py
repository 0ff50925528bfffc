"""A study on a real local Ray cluster of two nodes, a worker killed in the middle."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from anlage.store.store import Store
from anlage.study.planning.sharing import Job
from anlage.study.queues.local_queue import QueueState
from anlage.study.study import Study

from ...helpers.study import write_study
from ...helpers.tiny_model import make_tiny_model

ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("RAY_worker_niceness", "0")  # or a busy machine never gets to it
    from ray.cluster_utils import Cluster

    found = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    found.add_node(num_cpus=1)
    ray.init(address=found.address, log_to_driver=False)
    yield found
    stop: Any = ray.shutdown  # untyped in Ray
    stop()
    found.shutdown()  # type: ignore[no-untyped-call]


class Killer:
    """Kills the worker of the first run that has trained a step, once."""

    def __init__(self) -> None:
        self.killed = ""
        self.most_active = 0

    def __call__(self, jobs: Sequence[Job], state: QueueState) -> None:
        self.most_active = max(self.most_active, len(state.active))
        for job in jobs if not self.killed else ():
            run = Path(job.run.config.runs) / job.run.name
            if job.run.name in state.active and any(run.glob("40_training/checkpoints/*")):
                os.kill(int((run / ".lock").read_text()), signal.SIGKILL)
                self.killed = job.run.name


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(cluster: Any, tmp_path: Path) -> None:
    """Byte by byte, so each request runs alone and in one thread, as on a node with one core.

    A shard asks a part of the prompts, so its batches are others than a whole run's: where a
    batch has several rows, a processor that multiplies bf16 rounds by the batch's shape, and
    sampled answers of a random model then part within a few tokens.
    """
    model = make_tiny_model(tmp_path / "model")
    whole = Study(write_study(tmp_path / "whole", model, seeds=[0], batch_size=1)).run(parallel=2)
    study = Study(write_study(tmp_path / "ray", model, seeds=[0], batch_size=1))
    killer = Killer()
    found = study.run(backend="ray", parallel=2, on_change=killer)

    assert killer.killed
    assert [r.state.state for r in found.results.runs] == ["finished"] * 3
    counts = []
    for folder in ("whole", "ray"):
        with Store(tmp_path / folder / "runs" / "cache.sqlite") as store:
            counts.append({kind: store.count(kind) for kind in ("call", "score", "reference")})
    assert counts[0] == counts[1]  # as many answers as without a kill: none lost, none twice
    names = {r.run.arm: r for r in whole.results.runs}
    pairs = [
        sorted(file.read_text() for file in (tmp_path / folder / "runs").glob("*/30_pairs.jsonl"))
        for folder in ("whole", "ray")
    ]
    assert len(pairs[0]) == 2
    assert pairs[0] == pairs[1]
    for result in found.results.runs:
        assert result.model is not None
        twin = names[result.run.arm].model
        assert twin is not None
        assert [a.text for a in result.model.answers] == [a.text for a in twin.answers]
    events = [json.loads(x) for x in (study.folder / "events.jsonl").read_text().splitlines()]
    assert [e["event"] for e in events].count("done") == 3
    nodes = [node for node in ray.nodes() if node["Alive"]]
    assert len(nodes) == 2
