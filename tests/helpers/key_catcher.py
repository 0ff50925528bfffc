"""Asks a chat model of every provider through a local server that writes down all it is sent.

As a program: `python key_catcher.py PROVIDER ...` prints one JSON line a provider, so that it
also runs in an environment that holds the providers' packages.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRETS: Mapping[str, str] = {
    name: f"sk-{name.lower().replace('_', '-')}-0123456789"
    for name in (
        *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "OPENAI_ADMIN_KEY"),
        *("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "AWS_ACCESS_KEY_ID"),
        *("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"),
        *("COHERE_API_KEY", "CO_API_KEY", "DEEPSEEK_API_KEY", "FIREWORKS_API_KEY"),
        *("GOOGLE_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY", "HF_TOKEN"),
        *("HUGGINGFACEHUB_API_TOKEN", "HUGGINGFACE_API_KEY", "MISTRAL_API_KEY", "NVIDIA_API_KEY"),
        *("OLLAMA_API_KEY", "OPENROUTER_API_KEY", "TOGETHER_API_KEY", "XAI_API_KEY"),
    )
}
"""Every variable a provider's package reads a key from, with a value of its own."""


class Catcher:
    """A server that answers in OpenAI's protocol and keeps path, headers and body of all calls."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        catcher = self

        class Handler(BaseHTTPRequestHandler):
            def _take(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                told = f"{self.command} {self.path}\n{self.headers}\n"
                catcher.seen.append(told + body.decode(errors="replace"))
                message = {"role": "assistant", "content": "Fine."}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
                about = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
                raw = json.dumps({**about, "choices": [choice], "usage": usage}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = _take  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def leaked(self) -> list[str]:
        """Variables whose values stand in anything that was sent."""
        everything = "\n".join(self.seen)
        return sorted(name for name, value in SECRETS.items() if value in everything)


def asked_of(provider: str) -> dict[str, Any]:
    """What arrived when one request went to the server under a provider's name."""
    from anlage.llm.chat.settings import ChatSettings
    from anlage.llm.message import Message
    from anlage.llm.models import load_model
    from anlage.llm.request import Request

    catcher = Catcher()
    settings = ChatSettings(attempts=1, call_timeout=20.0)
    said = ""
    try:
        model = load_model(f"{provider}:judge@{catcher.url}", chat=settings)
        (answer,) = asyncio.run(model.complete([Request((Message("user", "hi"),))]))
        said = f"{answer.outcome.kind} {answer.outcome.reason}"
    except Exception as error:  # whatever it is: nothing was sent
        said = f"{type(error).__name__}: {error}"
    arrived = len(catcher.seen)
    return {"provider": provider, "arrived": arrived, "leaked": catcher.leaked(), "said": said}


if __name__ == "__main__":
    os.environ.update(SECRETS)
    for name in sys.argv[1:]:
        print(json.dumps(asked_of(name)), flush=True)
