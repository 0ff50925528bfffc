"""Lets the stages of a build overlap where a chat model takes part.

A server answers while this machine works, and several calls at once. So the prompts are
cut into groups, and each group goes through all stages by itself: a critique is asked for
as soon as its draft is there. Which prompts stand together depends on the prompts only, so
that a local policy runs the same batches after a kill.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from ...errors import AnlageError
from ...llm.request import Model
from .attempt import Attempt, still_open
from .roles import Progress

Work = Callable[[list[Attempt]], Awaitable[None]]


def groups(attempts: Sequence[Attempt], models: Sequence[Model]) -> list[list[Attempt]]:
    """Who goes through the stages together.

    All together where every model is local: its batches are then as full as they can be.
    One by one where every model is a chat model. Else in batches of the local model's
    size, long prompts first.
    """
    open_ = still_open(attempts)
    local = [model for model in models if not model.in_flight]
    if len(local) == len(models):
        return [open_] if open_ else []
    if not local:
        return [[attempt] for attempt in open_]
    size = min(model.batch_size for model in local)
    ordered = sorted(open_, key=lambda attempt: (-len(attempt.prompt.text), attempt.prompt.id))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


async def in_groups(
    attempts: Sequence[Attempt],
    models: Sequence[Model],
    work: Work,
    progress: Progress,
) -> None:
    """Takes every open attempt through `work`, group by group or all groups at once.

    Args:
        attempts: The attempts of a build.
        models: Every model that takes part.
        work: All stages of one group.
        progress: Told after each group where there are several.

    Raises:
        AnlageError: What the first group to fail raised; the others are stopped.
    """
    made = groups(attempts, models)
    if len(made) <= 1:
        for group in made:
            await work(group)
        return
    total, ended = sum(map(len, made)), 0

    async def one(group: list[Attempt]) -> None:
        nonlocal ended
        await work(group)
        ended += len(group)
        progress.attempts(ended, total)

    progress.attempts(0, total)
    tasks = [asyncio.ensure_future(one(group)) for group in made]
    try:
        await asyncio.gather(*tasks)
    except AnlageError:
        # Nothing more is begun; what is in flight has been paid for and is stored.
        await _stop(tasks)
        for model in models:
            await model.drain()
        raise
    finally:
        await _stop(tasks)


async def _stop(tasks: Sequence[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
