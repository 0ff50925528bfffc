"""The connections of a chat model within one event loop, closed when the loop ends."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING

from .clients import make_client, over_aiohttp
from .settings import ChatSettings
from .spec import ChatSpec

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_CLIENTS = 8
"""httpx is slow with many calls in flight over one pool; aiohttp needs only one."""


class Connections:
    """Clients in turn, and how many calls are in flight over them.

    Args:
        spec: The model.
        settings: Limits of the calls.
    """

    def __init__(self, spec: ChatSpec, settings: ChatSettings) -> None:
        self.loop = asyncio.get_running_loop()
        self.throttle = Throttle(settings.in_flight)
        self._spec, self._settings = spec, settings
        fewer = 1 if over_aiohttp(spec) else _CLIENTS
        self._wanted = min(fewer, -(-settings.in_flight // 8))
        self._clients: list[BaseChatModel] = []
        self._closing: list[Callable[[], Awaitable[None]]] = []
        self._keeper: AsyncGenerator[None, None] | None = None
        self._turn = 0

    async def client(self) -> BaseChatModel:
        """The next client; made when it is first needed.

        Raises:
            ModelNotFoundError: The provider's package cannot be imported.
        """
        if len(self._clients) < self._wanted:
            model, close = make_client(self._spec, self._settings)
            self._clients.append(model)
            if close is not None:
                self._closing.append(close)
            if self._keeper is None:
                self._keeper = self._keep()
                await anext(self._keeper)
            return model
        self._turn = (self._turn + 1) % self._wanted
        return self._clients[self._turn]

    async def _keep(self) -> AsyncGenerator[None, None]:
        """Closes the connections when the loop ends: a loop closes its generators first."""
        try:
            yield
        finally:
            for close in self._closing:
                await close()


_FACTOR = 0.5
_HOLD = 1.0  # seconds: a storm of 429s that were sent together is one signal


class Throttle:
    """Additive increase, multiplicative decrease (Chiu and Jain 1989) of calls in flight.

    Belongs to one event loop.

    Args:
        most: Most calls at the same time; also where it starts.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self.active = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._open_at = 0.0
        self._lowered_at = -_HOLD

    async def acquire(self) -> None:
        """Waits for a place, and for the end of a pause the server asked for."""
        while True:
            pause = self._open_at - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
                continue
            if self.active < int(self.limit):
                self.active += 1
                return
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._wake()  # hand the wake-up on: it was meant for somebody
                raise

    def release(self) -> None:
        """Gives the place back."""
        self.active -= 1
        self._wake()

    def raise_limit(self) -> None:
        """After a success: one call more per round of calls."""
        self.limit = min(float(self.most), self.limit + 1.0 / max(1.0, self.limit))

    def lower_limit(self, pause: float = 0.0) -> None:
        """After a 429 or a timeout: half as many; nothing is sent for `pause` seconds."""
        now = time.monotonic()
        self._open_at = max(self._open_at, now + pause)
        if now - self._lowered_at >= _HOLD:
            self._lowered_at = now
            self.limit = max(1.0, self.limit * _FACTOR)

    def _wake(self) -> None:
        free = int(self.limit) - self.active
        while self._waiting and free > 0:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1
