"""A real local server that answers each chat request with the status and JSON a test gives."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[dict[str, Any]], tuple[int, Any]]
"""The request's body -> status and JSON of the answer."""


def answered(content: Any, finish: str | None = "stop", **more: Any) -> tuple[int, Any]:
    """An answer in OpenAI's protocol; `more` goes into the message, `usage` replaces it."""
    usage = more.pop("usage", {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12})
    message = {"role": "assistant", "content": content, **more}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    about = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
    return 200, {**about, "choices": [choice], "usage": usage}


class RawServer:
    """Serves until the process ends; keeps the bodies it was sent."""

    def __init__(self, reply: Reply) -> None:
        self.bodies: list[dict[str, Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.bodies.append(body)
                status, payload = reply(body)
                raw = json.dumps(payload).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"
