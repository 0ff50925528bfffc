"""A real local HTTP server that speaks the OpenAI chat protocol and can misbehave."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

Fault = Callable[[int, str, int], str]
"""(number of the call, digest of its body, times this body was seen before) -> kind or ""."""
Answer = Callable[[dict[str, Any]], str]


def digest_of(body: dict[str, Any]) -> str:
    """Names a request by its messages and sampling settings."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def plain_answer(body: dict[str, Any]) -> str:
    """A pure function of the request: two sentences that differ from request to request."""
    name = digest_of(body)
    said = body["messages"][-1]["content"]
    if "Reply with A or B" in said:
        return "A" if int(name, 16) % 2 else "B"
    return f"The answer {name} is careful and plain. It helps the person who asked."


class OpenAIServer:
    """Serves in a thread of its own until closed.

    Args:
        fault: Which fault a call meets; None for none. Kinds: `429` (Retry-After 0.05),
            `429-quota`, `500`, `slow` (answers after `slow_seconds`), `drop`, `cut`
            (half a JSON body), `empty` (no choices), `filter`, `malformed`, `401`,
            `bad-parameter` (400 while `temperature` is sent), `length`.
        answer: The text of an answer, from the request's body.
        latency: Seconds before every answer.
    """

    def __init__(
        self,
        fault: Fault | None = None,
        *,
        answer: Answer = plain_answer,
        latency: float = 0.0,
        slow_seconds: float = 5.0,
        port: int = 0,
    ) -> None:
        self.fault, self.answer = fault, answer
        self.latency, self.slow_seconds = latency, slow_seconds
        self.calls = 0
        self.answered: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.active = self.most_active = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._port = port
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._ready.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def spec(self) -> str:
        return f"openai:tiny@{self.url}"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def __enter__(self) -> OpenAIServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._talk, "127.0.0.1", self._port, backlog=512)
        )
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        talks = asyncio.all_tasks(self._loop)
        for talk in talks:
            talk.cancel()
        self._loop.run_until_complete(asyncio.gather(*talks, return_exceptions=True))
        self._loop.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = (line.split(":", 1) for line in head[1:] if ":" in line)
                headers = {name.lower(): value.strip() for name, value in pairs}
                length = int(headers.get("content-length", 0))
                body = json.loads(await reader.readexactly(length)) if length else {}
                self.keys.add(headers.get("authorization", ""))
                self.active += 1
                self.most_active = max(self.active, self.most_active)
                try:
                    kept = await self._reply(body, writer)
                finally:
                    self.active -= 1
                if not kept:
                    return
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            return
        finally:
            writer.close()

    async def _reply(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        name = digest_of(body)
        self.calls += 1
        self.bodies.append(body)
        kind = self.fault(self.calls, name, self.seen[name]) if self.fault else ""
        self.seen[name] += 1
        if self.latency:
            await asyncio.sleep(self.latency)
        if kind == "bad-parameter" and "temperature" not in body:
            kind = ""
        if kind == "drop":
            return False
        if kind == "slow":
            await asyncio.sleep(self.slow_seconds)
        status, extra, payload = self._payload(kind, body)
        text = json.dumps(payload).encode()
        text = text[: len(text) // 2] if kind == "cut" else text
        reason = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{extra}"
        writer.write(f"{reason}content-length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()
        if status == 200 and kind in ("", "malformed", "length"):
            self.answered[name] += 1
        return True

    def _payload(self, kind: str, body: dict[str, Any]) -> tuple[int, str, dict[str, Any]]:
        errors = {
            "429": (429, "retry-after: 0.05\r\n", "too many requests"),
            "429-quota": (429, "", "insufficient_quota"),
            "500": (500, "", "boom"),
            "401": (401, "", "wrong key"),
            "400": (400, "", "this prompt is not allowed"),
            "bad-parameter": (400, "", "Unsupported parameter: 'temperature'"),
        }
        if kind in errors:
            status, extra, message = errors[kind]
            return status, extra, {"error": {"message": message, "code": message}}
        text = "?!" if kind == "malformed" else self.answer(body)
        ends = {"filter": "content_filter", "length": "length"}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": ends.get(kind, "stop"),
        }
        prompt = sum(len(m["content"].split()) for m in body["messages"])
        done = len(text.split())
        usage = {"prompt_tokens": prompt, "completion_tokens": done, "total_tokens": prompt + done}
        choices = [] if kind == "empty" else [choice]
        about = {"id": "x", "object": "chat.completion", "created": 0, "model": "tiny"}
        return 200, "", {**about, "choices": choices, "usage": usage}


if __name__ == "__main__":  # a server in a process of its own: port, latency in seconds
    served = OpenAIServer(port=int(sys.argv[1]), latency=float(sys.argv[2]))
    print(served.url, flush=True)
    sys.stdin.read()
