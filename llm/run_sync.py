"""Runs a coroutine to its end from a function that is not async."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")


def run_sync(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs `work` and returns its result; also where an event loop runs already.

    A notebook runs every cell inside an event loop, and `asyncio.run` refuses to start a
    second one in the same thread. There the coroutine gets a loop and a thread of its own,
    and the caller waits for it.

    Args:
        work: The coroutine. It must not wait for tasks of the caller's loop, which stands
            still meanwhile.

    Returns:
        What the coroutine returns. What it raises is raised here.

    Raises:
        KeyboardInterrupt: The user interrupted the waiting; the coroutine was cancelled and
            has ended.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return _in_thread(work)


def _in_thread(work: Coroutine[Any, Any, _T]) -> _T:
    results: list[_T] = []
    failures: list[BaseException] = []
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []
    ended = threading.Event()  # not `Thread.join`: after an interrupt that waits no second time

    async def cancellable() -> _T:
        task = asyncio.current_task()
        assert task is not None
        running.append((asyncio.get_running_loop(), task))
        return await work

    def target() -> None:
        try:
            results.append(asyncio.run(cancellable()))
        except BaseException as error:  # belongs to the caller, whatever it is
            failures.append(error)
        finally:
            ended.set()

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(target,), name="run_sync")
    thread.start()
    try:
        ended.wait()
    except KeyboardInterrupt:
        # As in `asyncio.run`: what is in flight is stopped before the interrupt goes on.
        for loop, task in running:
            with suppress(RuntimeError):  # it has just ended
                loop.call_soon_threadsafe(task.cancel)
        ended.wait()
        raise
    if failures:
        raise failures[0]
    return results[0]
