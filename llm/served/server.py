"""A small server for a local model that speaks OpenAI's protocol, on this machine alone.

Requests that wait at the same moment run together in the local model's batch loop. Which
fields it takes, and how they answer, stands in docs/scale.md; one that it cannot honour is
refused, never left out.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from aiohttp import web

from ...errors import AnlageError, ModelNotFoundError, NotSupportedError
from ..local.answer import begins_inside, completion_of, too_long
from ..local.decoding import Row, text_of
from ..local.encoding import encode_request
from ..local.model import LocalModel
from .batches import Job, Queue
from .protocol import (
    Asked,
    FieldError,
    asked_chat,
    asked_completions,
    chat_choice,
    completion_choice,
    error_body,
    frame_of,
    usage_of,
)

HOST: Final = "127.0.0.1"
BODY_BYTES: Final = 8 << 20
"""Largest body of a request."""

_OWN_NAMES: Final = frozenset({HOST, "localhost"})
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """One base model, its adapters, and the requests that wait for them.

    Args:
        name: What the base model is called.
        base: The model.
        weights: Hash of its weights, told to clients that compare it with theirs.
        adapters: The folder that adapters may be loaded from; None for none.
        load: Loads the base with the adapter of a folder.
    """

    def __init__(
        self,
        name: str,
        base: LocalModel,
        *,
        weights: str,
        adapters: Path | None,
        load: Callable[[Path], LocalModel],
    ) -> None:
        self.name = name
        self._weights, self._load = weights, load
        self._folder = adapters.resolve() if adapters else None
        self._models: dict[str, tuple[LocalModel, str]] = {name: (base, name)}
        self._loading = asyncio.Lock()
        self.queue = Queue(base.batch_size)

    def app(self) -> web.Application:
        """The routes, behind the checks that every request goes through."""
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[_guarded])
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/completions", self._completions)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/load_lora_adapter", self._load_adapter)
        app.router.add_post("/v1/unload_lora_adapter", self._unload_adapter)
        return app

    def add(self, name: str, model: LocalModel, root: Path) -> None:
        """Serves a model that is loaded already, such as the base after its training."""
        self._models[name] = (model, str(root))

    async def load_adapter(self, name: str, path: str) -> None:
        """Loads an adapter under a name.

        Raises:
            FieldError: The name is taken, or the path is none that may be loaded from.
            ModelNotFoundError: It does not fit the base model.
        """
        async with self._loading:
            if name in self._models:
                message = f"The lora adapter '{name}' has already been loaded."
                raise FieldError("lora_name", message)
            folder = self._allowed(path)
            self.add(name, await asyncio.to_thread(self._load, folder), folder)

    def _allowed(self, path: str) -> Path:
        if self._folder is None:
            raise FieldError("lora_path", "this server loads no adapters: start it with --adapters")
        if ".." in Path(path).parts:
            raise FieldError("lora_path", "a path with `..` is refused: give the folder itself")
        folder = (self._folder / path).resolve()  # an absolute path stands for itself
        if not folder.is_relative_to(self._folder):
            message = f"{path} is not inside {self._folder}, the folder given with --adapters"
            raise FieldError("lora_path", message)
        for file in ("adapter_config.json", "adapter_model.safetensors"):
            if not (folder / file).resolve().is_relative_to(self._folder):
                raise FieldError("lora_path", f"{file} there leads out of {self._folder}")
            if not (folder / file).is_file():
                message = f"{path} has no {file}; adapters are read from safetensors alone"
                raise FieldError("lora_path", message, status=404)
        return folder

    async def _health(self, request: web.Request) -> web.StreamResponse:
        return web.Response()

    async def _list(self, request: web.Request) -> web.StreamResponse:
        base = self._models[self.name][0]
        cards = [
            {
                "id": name,
                "object": "model",
                "created": 0,
                "owned_by": "anlage",
                "root": root,
                "parent": None if name == self.name else self.name,
                "max_model_len": base.context,
                **({"weights": self._weights} if name == self.name else {}),
            }
            for name, (_, root) in self._models.items()
        ]
        return web.json_response({"object": "list", "data": cards})

    async def _load_adapter(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        name, path = body.get("lora_name"), body.get("lora_path")
        if not (isinstance(name, str) and name and isinstance(path, str) and path):
            raise FieldError("lora_name", "Both 'lora_name' and 'lora_path' must be provided.")
        await self.load_adapter(name, path)
        return web.Response(text=f"Success: LoRA adapter '{name}' added successfully.")

    async def _unload_adapter(self, request: web.Request) -> web.StreamResponse:
        name = (await _body(request)).get("lora_name")
        if not isinstance(name, str) or name == self.name or name not in self._models:
            message = f"The lora adapter '{name}' cannot be found."
            raise FieldError("lora_name", message, status=404)
        del self._models[name]
        return web.Response(text=f"Success: LoRA adapter '{name}' removed successfully.")

    def _model(self, body: Mapping[str, Any]) -> tuple[str, LocalModel]:
        name = body.get("model") or self.name
        if not isinstance(name, str) or name not in self._models:
            message = f"The model `{name}` does not exist."
            raise FieldError("model", message, status=404)
        return name, self._models[name][0]

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        name, model = self._model(body)
        asked = asked_completions(body)
        jobs = [self._job(model, _raw_ids(model, prompt), asked) for prompt in asked.prompts]
        if asked.stream:
            if len(jobs) > 1:
                raise FieldError("prompt", "several prompts cannot be streamed: send one")
            return await self._stream(request, jobs[0], asked, name, held=False)
        await self._wait(jobs)
        tokenizer = model.tokenizer
        choices = [
            completion_choice(place, job.row, job.scores, asked, tokenizer)
            for place, job in enumerate(jobs)
        ]
        frame = frame_of("text_completion", name)
        return web.json_response(
            {**frame, "choices": choices, "usage": usage_of([job.row for job in jobs])}
        )

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        name, model = self._model(body)
        asked = asked_chat(body)
        ids, held = encode_request(model.tokenizer, asked.request, model.thinking)
        job = self._job(model, ids, asked.within(model.context - len(ids)))
        if asked.stream:
            return await self._stream(request, job, asked, name, held=held)
        await self._wait([job])
        opened = begins_inside(model.tokenizer, job.row)
        found = completion_of(job.row, held, opened=opened)
        choice = chat_choice(found, job.row, job.scores, asked, model.tokenizer)
        frame = frame_of("chat.completion", name)
        return web.json_response({**frame, "choices": [choice], "usage": usage_of([job.row])})

    def _job(self, model: LocalModel, ids: list[int], asked: Asked) -> Job:
        row = Row(asked.request, ids, asked.request.max_tokens, seed=asked.seed)
        problem = too_long(len(ids), row.limit, model.context)
        if problem:
            raise FieldError("max_tokens", problem)
        vocabulary = model.model.get_input_embeddings().weight.shape[0]
        if not ids or max(ids) >= vocabulary:
            raise FieldError("prompt", f"give at least one token id from 0 to {vocabulary - 1}")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        return Job(model, row, asked.stops, asked.top, future)

    async def _wait(self, jobs: Sequence[Job]) -> None:
        await self.queue.answered(jobs)
        for job in jobs:
            numbers = (*job.row.logprobs, *(score.logprob for score in job.scores))
            if job.row.finish == "broken" or not all(map(math.isfinite, numbers)):
                message = "the model gives log-probabilities that are not finite"
                raise FieldError("prompt", message, status=422)

    async def _stream(
        self, request: web.Request, job: Job, asked: Asked, name: str, *, held: bool
    ) -> web.StreamResponse:
        """Sends the answer piece by piece as server-sent events."""
        loop, steps = asyncio.get_running_loop(), asyncio.Queue[int]()

        def on_step() -> None:
            loop.call_soon_threadsafe(steps.put_nowait, len(job.row.tokens))

        job.on_step = on_step
        waited = asyncio.ensure_future(self._wait([job]))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        kind = "chat.completion.chunk" if asked.chat else "text_completion"
        frame = frame_of(kind, name)

        async def send(piece: str, finish: str | None, usage: dict[str, int] | None) -> None:
            delta = {"delta": {"role": "assistant", "content": piece}}
            said = delta if asked.chat else {"text": piece}
            choice = {"index": 0, **said, "finish_reason": finish, "logprobs": None}
            data = json.dumps({**frame, "choices": [choice], "usage": usage})
            await response.write(f"data: {data}\n\n".encode())

        sent = 0
        while not waited.done():
            step = asyncio.ensure_future(steps.get())
            await asyncio.wait({waited, step}, return_when=asyncio.FIRST_COMPLETED)
            if not step.done():
                step.cancel()
                break
            text = _sure(job, step.result(), held=held)
            if len(text) > sent:
                await send(text[sent:], None, None)
                sent = len(text)
        try:
            await waited
        except (FieldError, AnlageError) as error:
            data = json.dumps(error_body(str(error), 500, ""))
            await response.write(f"data: {data}\n\n".encode())
        else:
            whole = job.row.text[1:] if held and job.row.text.startswith(" ") else job.row.text
            await send(whole[sent:], job.row.finish, usage_of([job.row]))
        await response.write(b"data: [DONE]\n\n")
        return response


def _raw_ids(model: LocalModel, prompt: str | list[int]) -> list[int]:
    if isinstance(prompt, str):
        return [int(one) for one in model.tokenizer(prompt)["input_ids"]]
    return prompt


def _sure(job: Job, count: int, *, held: bool) -> str:
    """The text of so many tokens, without an end that the next token may change."""
    text, _ = text_of(job.row.tokens[:count], job.model.tokenizer)
    text = text[1:] if held and text.startswith(" ") else text
    stops = job.row.request.stop
    if any(stop in text for stop in stops):
        return ""  # it has ended: the last piece follows
    text = text.rstrip("\N{REPLACEMENT CHARACTER}")
    begun = [n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])]
    return text[: len(text) - max(begun, default=0)]


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError as error:
        raise FieldError("", f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise FieldError("", "the body is not a JSON object")
    return body


@web.middleware
async def _guarded(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuses what a web page of somebody else could send; errors become JSON."""
    status, field = 500, ""
    try:
        _check_source(request)
        return await handler(request)
    except FieldError as error:
        status, field, message = error.status, error.field, str(error)
    except web.HTTPRequestEntityTooLarge:
        status, message = 413, f"the body is larger than {BODY_BYTES >> 20} MB"
    except web.HTTPException as error:
        status, message = error.status, error.reason or "not found"
    except (NotSupportedError, ModelNotFoundError) as error:
        status, message = 400, str(error)
    except AnlageError as error:
        message = str(error)
    return web.json_response(error_body(message, status, field), status=status)


def _check_source(request: web.Request) -> None:
    if ".." in unquote(request.raw_path):
        raise FieldError("", "a path with `..` is refused")
    host = urlsplit(f"//{request.host}").hostname
    if host not in _OWN_NAMES:
        raise FieldError("", f"this server answers for {HOST} alone, not for {host}", status=403)
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        raise FieldError("", f"a page of {origin} must not ask this server", status=403)


async def serve(server: Server, port: int, on_ready: Callable[[int], None]) -> None:
    """Serves until the task is cancelled.

    Args:
        server: What answers.
        port: Where; 0 takes a free one.
        on_ready: Told the port once requests are taken.

    Raises:
        OSError: The port is in use.
    """
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    worker = asyncio.ensure_future(server.queue.work())
    try:
        site = web.TCPSite(runner, HOST, port)
        await site.start()
        on_ready(runner.addresses[0][1])
        await worker
    finally:
        worker.cancel()
        await runner.cleanup()
