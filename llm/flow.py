"""Calls to a chat model: many at a time, each stored soon after it returns, none made twice."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from .request import Completion, Model, Request

COMMIT_SECONDS = 0.02
"""How long an answer may wait for others to share its transaction."""

Keep = Callable[[Mapping[str, Request], Mapping[str, Completion]], dict[str, Completion]]
"""(key -> request, key -> answer) -> what counts, once it is stored."""


class Flow:
    """Takes single requests from any number of tasks; belongs to one event loop.

    Two tasks that ask for the same key share one call. An answer is handed out only after
    it is stored. When a call raises (the budget is used up, the store is full), nothing
    more is begun, what is in flight is finished and stored, and all that waits fails alike.

    Args:
        model: The chat model.
        most: Most calls at the same time.
        keep: Stores answers in one transaction.
    """

    def __init__(self, model: Model, most: int, keep: Keep) -> None:
        self.loop = asyncio.get_running_loop()
        self._model = model
        self._most = most
        self._keep = keep
        self._calls: dict[str, asyncio.Future[Completion]] = {}
        self._queue: deque[tuple[str, Request]] = deque()
        self._requests: dict[str, Request] = {}
        self._arrived: dict[str, Completion] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._writer: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None

    def ask(self, key: str, request: Request) -> asyncio.Future[Completion]:
        """The answer to come; await it shielded, since others may wait for it, too."""
        if self._failure is not None and not self._workers and not self._calls:
            self._failure = None  # all who asked have been told; this is a new start
        future = self._calls.get(key)
        if future is None:
            future = self.loop.create_future()
            future.add_done_callback(_looked_at)
            if self._failure is not None:
                future.set_exception(self._failure)
                return future
            self._calls[key] = future
            self._queue.append((key, request))
            if len(self._workers) < self._most:
                worker = self.loop.create_task(self._work())
                self._workers.add(worker)
                worker.add_done_callback(self._workers.discard)
        return future

    async def drain(self) -> None:
        """Begins nothing more, and waits until what is in flight is stored."""
        self._stop(asyncio.CancelledError())
        if self._workers:
            await asyncio.wait(set(self._workers))
        if self._writer is not None:
            await asyncio.wait({self._writer})

    async def _work(self) -> None:
        while self._queue and self._failure is None:
            key, request = self._queue.popleft()
            try:
                (answer,) = await self._model.complete([request])
            except Exception as error:
                # Ours, or a defect: either way it belongs to those who asked.
                self._settle(key, error)
                self._stop(error)
            else:
                self._requests[key], self._arrived[key] = request, answer
                if self._writer is None or self._writer.done():
                    self._writer = self.loop.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._arrived:
                await asyncio.sleep(COMMIT_SECONDS)
                self._flush()
        finally:
            self._flush()  # what was paid for is kept, however this ends

    def _flush(self) -> None:
        arrived, requests = self._arrived, self._requests
        self._arrived, self._requests = {}, {}
        if not arrived:
            return
        try:
            kept = self._keep(requests, arrived)
        except Exception as error:
            for key in arrived:
                self._settle(key, error)
            self._stop(error)
            return
        for key, answer in kept.items():
            future = self._calls.pop(key)
            if not future.done():
                future.set_result(answer)

    def _settle(self, key: str, error: BaseException) -> None:
        future = self._calls.pop(key)
        if not future.done():
            future.set_exception(error)

    def _stop(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        while self._queue:
            key, _ = self._queue.popleft()
            if isinstance(error, asyncio.CancelledError):
                self._calls.pop(key).cancel()
            else:
                self._settle(key, error)


def _looked_at(future: asyncio.Future[Completion]) -> None:
    """Marks an exception as retrieved: the first waiter to raise it stands for all."""
    if not future.cancelled():
        future.exception()
