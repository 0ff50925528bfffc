"""One server of a served model: what it is sent, and when it is left alone for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from ...errors import ModelNotFoundError, NotSupportedError
from ..chat.errors import Failure, classify
from ..chat.providers import NO_KEY
from ..chat.settings import ChatSettings

SHORT: Final = 10.0
"""Seconds for requests that compute nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of every server.

    Attributes:
        name: The model's name.
        weights: Hash of its weights here.
        adapter: Folder of the adapter; None for none.
        lora: What the adapter is called on the servers: holds the hash of its weights.
        settings: Limits of the calls.
        loaded: Addresses of the servers that hold the adapter, as far as is known.
    """

    name: str
    weights: str
    adapter: Path | None
    lora: str
    settings: ChatSettings
    loaded: set[str] = field(default_factory=set)


class StatusError(Exception):
    """An HTTP status that is no success.

    Attributes:
        status: The status.
        body: What the server wrote.
        failure: What it means.
        reason: For a person.
    """

    def __init__(self, url: str, status: int, body: str) -> None:
        super().__init__(body)
        self.status_code = self.status = status
        self.body = body
        self.failure: Failure = classify(self)
        self.reason = self.failure.reason.removeprefix(f"{type(self).__name__}: ")
        self.args = (f"{url} says {self.reason}",)


class Replica:
    """One server.

    Attributes:
        url: Its address.
        busy: Requests in flight there.
        rests_until: Nothing is sent before this moment of the monotonic clock.
        failures: How often in a row it had to rest.
        ready: What the model is called there, once that is known; "" before.
    """

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.busy = 0
        self.rests_until = 0.0
        self.failures = 0
        self.ready = ""
        self._headers = {} if key == NO_KEY else {"Authorization": f"Bearer {key}"}
        self._session: aiohttp.ClientSession | None = None
        self._keeper: AsyncGenerator[None, None] | None = None
        self._preparing = asyncio.Lock()

    def rest(self, settings: ChatSettings) -> None:
        """Nothing more for a while; many failures at the same moment are one."""
        now = time.monotonic()
        self.ready = ""
        if self.rests_until <= now:
            self.rests_until = now + min(settings.max_wait, settings.backoff * 2**self.failures)
            self.failures += 1

    async def prepare(self, target: Target) -> str:
        """Finds out what the model is called there, and loads the adapter.

        Raises:
            ModelNotFoundError: It is not served there, or with other weights.
            NotSupportedError: The adapter cannot be loaded.
        """
        async with self._preparing:
            if not self.ready:
                name = self._named(await self._models(), target)
                if target.lora:
                    await self._load(target)
                self.ready = target.lora or name
            return self.ready

    async def _models(self) -> Any:
        try:
            return await self.post("models", None, SHORT)
        except StatusError as error:
            if error.failure.kind in ("busy", "retry") or error.status in (401, 403):
                raise
            raise ModelNotFoundError(
                f"{error} Give the address of a server that speaks OpenAI's protocol; it mostly "
                "ends in /v1."
            ) from error

    def _named(self, listed: Any, target: Target) -> str:
        cards = [card for card in listed["data"] if not card.get("parent")]
        name = target.name
        own = Path(name).expanduser().resolve() if Path(name).expanduser().is_dir() else None
        for card in cards:
            places = {str(card["id"]), str(card.get("root") or "")}
            same = own is not None and any(
                Path(place).resolve() == own for place in places if place
            )
            if name not in places and not same:
                continue
            weights = card.get("weights")
            if weights and weights != target.weights:
                raise ModelNotFoundError(
                    f"{self.url} serves other weights under the name {name!r} than those here. "
                    "Start it with the same model."
                )
            return str(card["id"])
        raise ModelNotFoundError(
            f"{self.url} does not serve {name!r}, but {', '.join(str(c['id']) for c in cards)}. "
            f"Start it with that model, or under that name (`--served-model-name {name}`)."
        )

    async def _load(self, target: Target) -> None:
        path = str(Path(target.adapter or "").resolve())
        body = {"lora_name": target.lora, "lora_path": path}
        try:
            await self.post("load_lora_adapter", body, target.settings.call_timeout)
        except StatusError as error:
            # The name holds the hash of the weights: what bears it is this adapter.
            if error.status == 400 and "already been loaded" in error.body:
                target.loaded.add(self.url)
                return
            if error.failure.kind in ("busy", "retry") and error.status != 500:
                raise
            raise NotSupportedError(
                f"{self.url} cannot load the adapter {path}: {error.reason} It must see "
                "this path and be allowed to load from it (vLLM: --enable-lora and "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True; `anlage serve`: --adapters)."
            ) from error
        target.loaded.add(self.url)

    async def post(self, path: str, body: dict[str, Any] | None, timeout: float) -> Any:
        """Sends JSON, or asks where there is no body; returns JSON, or text that is none.

        Raises:
            StatusError: Any status but 200.
            aiohttp.ClientError: The server cannot be reached, or breaks off.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self._headers)
            self._keeper = self._keep(self._session)
            await anext(self._keeper)
        async with self._session.request(
            "GET" if body is None else "POST",
            f"{self.url}/{path}",
            json=body,
            timeout=aiohttp.ClientTimeout(total=timeout),
            allow_redirects=False,  # a key goes to this server alone
        ) as response:
            if response.status != 200:
                raise StatusError(self.url, response.status, await response.text())
            if response.content_type != "application/json":
                return await response.text()
            return await response.json()

    @staticmethod
    async def _keep(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
        """Closes the session when the loop ends: a loop closes its generators first."""
        try:
            yield
        finally:
            await session.close()
