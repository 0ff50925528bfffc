"""Requests that wait at the same moment run together in a local model's batch loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..local.decoding import Row, append_token
from ..local.model import LocalModel
from ..local.scoring import TokenScore

_GATHER_SECONDS: Final = 0.004  # requests that come within it share a batch


@dataclass(slots=True, eq=False)
class Job:
    """One prompt that waits for its answer.

    Attributes:
        model: Base or adapter.
        row: The prompt's ids, filled when done.
        stops: Tokens that end the answer beside the model's own.
        top: Likeliest tokens to name beside each; None where no token of the prompt is scored.
        done: Set when the row is filled.
        on_step: Called before each new token, in the thread that computes.
        scores: Of the prompt after its first token, then of the answer, where `top` is given.
    """

    model: LocalModel
    row: Row
    stops: frozenset[int]
    top: int | None
    done: asyncio.Future[None]
    on_step: Callable[[], None] | None = None
    scores: list[TokenScore] = field(default_factory=list)


class Queue:
    """What waits for the models of one server; they compute one batch at a time.

    Args:
        most: Most jobs of a batch.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: asyncio.Queue[Job] = asyncio.Queue()

    async def answered(self, jobs: Sequence[Job]) -> None:
        """Waits until all of them are done.

        Raises:
            AnlageError: What the batch of one of them ended with.
        """
        for job in jobs:
            self._waiting.put_nowait(job)
        await asyncio.gather(*(job.done for job in jobs))

    async def work(self) -> None:
        """Takes what waits, batch by batch, for as long as the server lives."""
        while True:
            jobs = [await self._waiting.get()]
            await asyncio.sleep(_GATHER_SECONDS)
            while len(jobs) < self._most and not self._waiting.empty():
                jobs.append(self._waiting.get_nowait())
            groups: dict[tuple[int, frozenset[int]], list[Job]] = {}
            for job in jobs:
                groups.setdefault((id(job.model), job.stops), []).append(job)
            for group in groups.values():
                try:
                    await _run(group)
                except Exception as error:  # of this batch: those who asked are told
                    _settle(group, error)
                else:
                    _settle(group, None)


async def _run(jobs: Sequence[Job]) -> None:
    """Writes the answers, then scores what is to be scored."""
    model = jobs[0].model
    scored = [job for job in jobs if job.top is not None]
    writing = [job for job in jobs if job.top is None or not _is_next_token(job)]

    def on_step() -> None:
        for job in writing:
            if job.on_step is not None:
                job.on_step()

    if writing:
        await model.write([job.row for job in writing], jobs[0].stops, on_step)
    if scored:
        top = max(job.top or 0 for job in scored)
        rows = [[*job.row.ids, *job.row.tokens] for job in scored]
        for job, scores in zip(scored, await model.score_tokens(rows, top), strict=True):
            job.scores = scores[:-1]
            if _is_next_token(job):
                _fill(job, scores[-1])


def _is_next_token(job: Job) -> bool:
    """True where the pass that scores the prompt finds the whole answer, too."""
    return job.row.limit == 1 and job.row.request.temperature == 0


def _fill(job: Job, likeliest: TokenScore) -> None:
    stops = job.model.stop_ids | job.stops
    append_token(job.row, likeliest.token, likeliest.logprob, job.model.tokenizer, stops)
    if job.row.tokens:
        job.scores = [*job.scores, likeliest]


def _settle(jobs: Sequence[Job], error: Exception | None) -> None:
    for job in jobs:
        if job.done.done():  # who asked has gone
            continue
        if error is None:
            job.done.set_result(None)
        else:
            job.done.set_exception(error)
