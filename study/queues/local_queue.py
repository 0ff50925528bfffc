"""Runs a study on this machine, each run in its own process, and notes when each one ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ...errors import RunDirectoryError
from ...files.lines import json_lines
from ...files.write import append_lines, write_atomically
from ...inspection.run_state import note_failure
from ...pipeline.config import resolved_text
from ..planning.sharing import Job

_LOOK_SECONDS = 0.1
_LOG = "worker.log"


@dataclass(slots=True)
class QueueState:
    """What the queue is doing, for a table.

    Attributes:
        waiting: Names of runs not yet started.
        active: Run -> process id.
        ended: Run -> "" or the reason of its failure.
        started: Run -> start, in seconds of `time.monotonic`.
    """

    waiting: list[str] = field(default_factory=list)
    active: dict[str, int] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)


OnChange = Callable[[QueueState], None]
"""Called several times a second while runs are at work."""


class Queue(Protocol):
    """Runs jobs somewhere."""

    def run(self, jobs: Sequence[Job], *, may_start: Callable[[QueueState], bool]) -> QueueState:
        """Runs all jobs; a job that fails leaves the others running."""


class LocalQueue:
    """Runs jobs in processes of this machine.

    Args:
        scratch: Folder for config files and nothing else.
        parallel: Most runs at a time.
        on_change: Told what is going on.
    """

    def __init__(self, scratch: Path, *, parallel: int, on_change: OnChange) -> None:
        self.scratch = scratch
        self.parallel = parallel
        self.on_change = on_change
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, jobs: Sequence[Job], *, may_start: Callable[[QueueState], bool]) -> QueueState:
        """Runs all jobs, each once those it shares work with have ended.

        Args:
            jobs: The jobs, in the order they should start.
            may_start: The stopping rule; once False, nothing more is started.

        Raises:
            KeyboardInterrupt: Passed on after every process has stopped.
        """
        state = QueueState(waiting=[job.run.name for job in jobs])
        pending = list(jobs)
        try:
            while self._processes or (pending and may_start(state)):
                self._reap(state, {job.run.name: job for job in jobs})
                ready = [job for job in pending if self._is_ready(job, state, pending)]
                for job in ready[: self.parallel - len(self._processes)]:
                    if may_start(state):
                        self._start(job, state)
                        pending.remove(job)
                self.on_change(state)
                time.sleep(_LOOK_SECONDS)
        except BaseException:
            self._stop_all()
            raise
        return state

    @staticmethod
    def _is_ready(job: Job, state: QueueState, pending: Sequence[Job]) -> bool:
        """Those it waits for have ended, or are not part of this queue."""
        open_ = {*state.active, *(other.run.name for other in pending)}
        return not any(name in open_ for name in job.after)

    def _start(self, job: Job, state: QueueState) -> None:
        config = job.run.config
        file = self.scratch / f"{job.run.name}.yaml"
        write_atomically(file, resolved_text(config))
        threads = str(max(1, (os.cpu_count() or 1) // self.parallel))
        environment = {**os.environ}
        environment.setdefault("OMP_NUM_THREADS", threads)
        with open(self.scratch / f"{job.run.name}.{_LOG}", "wb") as log:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "anlage.study.queues.worker", str(file)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
            )
        self._processes[job.run.name] = process
        state.waiting.remove(job.run.name)
        state.active[job.run.name] = process.pid
        state.started[job.run.name] = time.monotonic()

    def _reap(self, state: QueueState, jobs: dict[str, Job]) -> None:
        for name, process in list(self._processes.items()):
            code = process.poll()
            if code is None:
                continue
            del self._processes[name], state.active[name]
            reason = "" if code == 0 else self._reason(name, code)
            if reason:
                note_failure(Path(jobs[name].run.config.runs) / name, reason)
            state.ended[name] = reason

    def _reason(self, name: str, code: int) -> str:
        if code < 0:
            found = signal.Signals(-code).name
            hint = " (out of memory?)" if found == "SIGKILL" else ""
            return f"killed by {found}{hint}"
        lines = (self.scratch / f"{name}.{_LOG}").read_text("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else f"ended with exit code {code}"

    def _stop_all(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGINT)
        until = time.monotonic() + 10
        for process in self._processes.values():
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()


FILE = "events.jsonl"


class EventLog:
    """Appends what changed since the last look."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._started: set[str] = set()
        self._ended: set[str] = set()

    def note(self, state: QueueState) -> None:
        """Writes one line per run that started or ended.

        Raises:
            RunDirectoryError: It cannot be written.
        """
        started = set(state.started) - self._started
        ended = set(state.ended) - self._ended
        rows = [{"event": "start", "run": name} for name in sorted(started)]
        rows += [
            {"event": "failed" if state.ended[name] else "done", "run": name,
             "reason": state.ended[name]}
            for name in sorted(ended)
        ]  # fmt: skip
        if not rows:
            return
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            append_lines(self.path, [json.dumps({"at": now, **row}) for row in rows])
        except OSError as error:
            raise RunDirectoryError(f"cannot write {self.path}: {error.strerror}") from error
        self._started |= started
        self._ended |= ended


def failures(folder: Path) -> list[tuple[str, str, str]]:
    """(time, run, reason) of every failure noted, also of runs that succeeded later."""
    try:
        text = (folder / FILE).read_text("utf-8")
    except OSError:
        return []
    found = []
    for _, row in json_lines(text, lambda line, error: None):  # a kill may cut a line
        try:
            if row["event"] == "failed":
                found.append((str(row["at"]), str(row["run"]), str(row["reason"])))
        except (KeyError, TypeError):
            continue
    return found
