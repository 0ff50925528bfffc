"""`anlage serve` in a process of its own, as a user starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self


class Served:
    """A server of a local model; stopped at the end of the block.

    Args:
        target: Model or run directory.
        adapters: Folder that adapters may be loaded from.
        port: 0 takes a free one, which a restart keeps.
    """

    def __init__(self, target: Path | str, *, adapters: Path | None = None, port: int = 0) -> None:
        self.target, self.adapters, self.port = target, adapters, port
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill(signal.SIGTERM)

    def start(self) -> None:
        """Starts it and waits until it takes requests."""
        options = ["--adapters", str(self.adapters)] if self.adapters else []
        command = [sys.executable, "-m", "anlage.cli", "serve", str(self.target), *options]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), "--dtype", "float32"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/v1", line):
                self.port = int(found[1])
                return
        raise AssertionError(f"the server ended: {said}")

    def kill(self, how: int = signal.SIGKILL) -> None:
        """Ends the process and waits for it."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(20)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def spec(self) -> str:
        return f"served:{self.target}@{self.url}"

    def ask(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and body (JSON where it is some) of a request to `/v1/...` or another path."""
        base = self.url.removesuffix("/v1") if path.startswith("/") else f"{self.url}/"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(base + path, data=data, headers=sent)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status, raw = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, raw = error.code, error.read()
        try:
            return status, json.loads(raw)
        except ValueError:
            return status, raw.decode()

    def adapter_names(self) -> list[str]:
        """What is served beside the base model."""
        return [card["id"] for card in self.ask("models")[1]["data"] if card["parent"]]
