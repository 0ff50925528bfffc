"""The connections of a chat model within one event loop, closed when the loop ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING

from .chat_clients import make_client, over_aiohttp
from .chat_settings import ChatSettings
from .chat_spec import ChatSpec
from .throttle import Throttle

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
