"""Runs a study on a Ray cluster: runs as tasks, data generation in shards."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...errors import NotSupportedError
from ...inspection.run_state import note_failure
from ...pipeline.config import resolved_text
from ...pipeline.resolved import Resolved
from ..planning.sharing import Job, keys_of
from .local_queue import OnChange, QueueState

_RETRIES = 3  # of a run whose worker died; a run that fails by itself is not tried again
_FEWEST_PROMPTS = 8  # per shard


class RayQueue:
    """Runs jobs on a cluster whose nodes share the disk of the `runs` folder.

    The call store stays with one actor on this node. Run directories, checkpoints and
    models are read from the shared disk (or, for models, from each node's own cache).

    Args:
        folder: The study's own folder; the store lies beside its parent.
        parallel: Most runs at a time; the cluster's processors are divided among them.
        address: Of the cluster; None joins a running local one or starts it.
        on_change: Told what is going on.

    Raises:
        NotSupportedError: Ray is not installed.
    """

    def __init__(
        self, folder: Path, *, parallel: int, address: str | None, on_change: OnChange
    ) -> None:
        try:
            import ray
        except ImportError as error:
            raise NotSupportedError(
                "the ray backend needs Ray: pip install 'anlage[ray]', or use --backend local."
            ) from error
        self._ray = ray
        self.parallel = parallel
        self.on_change = on_change
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, include_dashboard=False)
        self._server = self._start_store(folder.parents[1] / "cache.sqlite")
        self._options = self._share_of_cluster()

    def run(self, jobs: Sequence[Job], *, may_start: Callable[[QueueState], bool]) -> QueueState:
        """Runs all jobs; see `LocalQueue.run`. A lost worker's run is started again."""
        state = QueueState(waiting=[job.run.name for job in jobs])
        pending, at_work = list(jobs), dict[str, Any]()
        by_name = {job.run.name: job for job in jobs}
        shards = self._start_shards(jobs)
        try:
            while at_work or (pending and may_start(state)):
                for job in self._ready(pending, at_work, shards)[: self.parallel - len(at_work)]:
                    if may_start(state):
                        at_work[job.run.name] = self._submit(job)
                        pending.remove(job)
                        state.waiting.remove(job.run.name)
                        state.active[job.run.name] = 0
                        state.started[job.run.name] = time.monotonic()
                for name in self._ended(at_work):
                    reason = self._outcome(at_work.pop(name))
                    del state.active[name]
                    state.ended[name] = reason
                    if reason:
                        note_failure(Path(by_name[name].run.config.runs) / name, reason)
                self.on_change(state)
                time.sleep(0.05)
        except BaseException:
            for reference in at_work.values():
                self._ray.cancel(reference, force=True)
            raise
        return state

    def _start_store(self, path: Path) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from .ray_tasks import StoreServer

        here = self._ray.get_runtime_context().get_node_id()
        placed = NodeAffinitySchedulingStrategy(here, soft=False)
        actor = self._ray.remote(StoreServer)
        return actor.options(num_cpus=0, scheduling_strategy=placed).remote(str(path.resolve()))

    def _share_of_cluster(self) -> dict[str, Any]:
        ray: Any = self._ray  # untyped in Ray
        resources = ray.cluster_resources()
        cpus = max(1, int(resources.get("CPU", 1) // self.parallel))
        gpus = 1 if resources.get("GPU", 0) >= 1 else 0
        return {"num_cpus": cpus, "num_gpus": gpus, "max_retries": _RETRIES}

    def _submit(self, job: Job) -> Any:
        from .ray_tasks import run_arm

        task = self._ray.remote(run_arm).options(**self._options)
        return task.remote(resolved_text(job.run.config), self._server, os.getcwd())

    def _start_shards(self, jobs: Sequence[Job]) -> dict[str, list[Any]]:
        """Shards of every data generation, under the name of the run that needs it first."""
        from ...pipeline.inputs import training_prompts
        from .ray_tasks import calibrate_run, generate_shard

        measure = self._ray.remote(calibrate_run).options(**self._options)
        task = self._ray.remote(generate_shard).options(**self._options)
        started: dict[str, list[Any]] = {}
        seen = {""}
        for job in jobs:
            config, key = job.run.config, keys_of(job.run.config).data
            capped = config.budget.max_calls or config.budget.max_tokens or config.budget.max_usd
            if key in seen or capped is not None:
                continue  # a cap is counted per run, so a capped run generates by itself
            seen.add(key)
            shards = min(self.parallel, len(training_prompts(Resolved(config))) // _FEWEST_PROMPTS)
            if shards > 1:
                text = resolved_text(config)
                # A shard waits for what it is given; where measuring fails, so do the shards.
                measured = measure.remote(text, self._server, os.getcwd())
                started[job.run.name] = [
                    task.remote(text, self._server, os.getcwd(), measured, shard, shards)
                    for shard in range(shards)
                ]
        return started

    def _ready(
        self, pending: Sequence[Job], at_work: dict[str, Any], shards: dict[str, list[Any]]
    ) -> list[Job]:
        open_ = {*at_work, *(job.run.name for job in pending)}
        return [
            job
            for job in pending
            if not any(name in open_ for name in job.after)
            and not self._open_shards(shards.get(job.run.name, []))
        ]

    def _open_shards(self, references: list[Any]) -> bool:
        """Whether some are still at work; a failed one is done, its run makes what is missing."""
        if not references:
            return False
        _, open_ = self._ray.wait(references, num_returns=len(references), timeout=0)
        return bool(open_)

    def _ended(self, at_work: dict[str, Any]) -> list[str]:
        if not at_work:
            return []
        done, _ = self._ray.wait(list(at_work.values()), timeout=0.2)
        return [name for name, reference in at_work.items() if reference in done]

    def _outcome(self, reference: Any) -> str:
        try:
            return str(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            return f"killed: {str(error).strip().splitlines()[0][:250]}"
