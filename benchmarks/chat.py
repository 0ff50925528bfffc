"""Calls per second of a chat model: ours with the store against a bare LangChain loop.

python benchmarks/chat.py [--calls 2000] [--rounds 3]

A server that speaks the OpenAI protocol runs in a process of its own. 64 calls in flight,
at no latency and at 500 ms. The bare loop is `ChatOpenAI.ainvoke` behind a semaphore, with one
client, with eight in turn, and with one over aiohttp, as ours. Rounds alternate; the median is
printed. `--memory 20000` prints the resident memory over so many calls instead.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

IN_FLIGHT = 64
ROOT = Path(__file__).parents[1]


@contextlib.contextmanager
def server(latency: float) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "tests" / "helpers_openai_server.py")]
    with subprocess.Popen(
        [*command, str(port), str(latency)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        try:
            yield url
        finally:
            process.kill()


async def bare(url: str, texts: list[str], clients: int, *, aiohttp: bool = False) -> None:
    import httpx2
    import openai
    from langchain.chat_models import init_chat_model

    pools = [
        openai.DefaultAioHttpClient(limits=httpx2.Limits(max_connections=None))
        if aiohttp
        else openai.DefaultAsyncHttpxClient()
        for _ in range(clients)
    ]
    models = [
        init_chat_model(
            "tiny",
            model_provider="openai",
            base_url=url,
            api_key="none",
            max_retries=0,
            http_async_client=pool,
        )
        for pool in pools
    ]
    await asyncio.gather(*(model.ainvoke("warm") for model in models))
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def one(number: int, text: str) -> None:
        async with gate:
            await models[number % clients].ainvoke(
                [("user", text)], temperature=0.0, max_tokens=64, seed=1
            )

    started = time.perf_counter()
    await asyncio.gather(*(one(number, text) for number, text in enumerate(texts)))
    RATES.append(len(texts) / (time.perf_counter() - started))
    for pool in pools:
        await pool.aclose()


async def ours(url: str, texts: list[str]) -> None:
    from anlage.llm.cached import CachedModel
    from anlage.llm.message import Message
    from anlage.llm.models import load_model
    from anlage.llm.request import Request
    from anlage.store.store import Store

    requests = [Request(messages=(Message("user", text),), max_tokens=64) for text in texts]
    warm = [Request(messages=(Message("user", f"warm {n}"),)) for n in range(16)]
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "c.sqlite") as store:
        model = CachedModel(load_model(f"openai:tiny@{url}"), store)
        await model.complete(warm)
        started = time.perf_counter()
        found = await model.complete(requests)
        RATES.append(len(texts) / (time.perf_counter() - started))
        assert all(answer.outcome.kind == "ok" for answer in found)
        assert store.count("call") == len(texts) + len(warm)


async def distilabel(python: str, url: str, texts: list[str]) -> None:
    script = str(ROOT / "benchmarks" / "chat_distilabel.py")
    number = texts[0].split()[1]
    command = [python, script, url, str(len(texts)), number]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    RATES.append(float(done.stdout.split()[-1]))


RATES: list[float] = []
WAYS: dict[str, Callable[[str, list[str]], Awaitable[None]]] = {
    "bare ainvoke, 1 client": lambda url, texts: bare(url, texts, 1),
    "bare ainvoke, 8 clients": lambda url, texts: bare(url, texts, 8),
    "bare ainvoke, aiohttp": lambda url, texts: bare(url, texts, 1, aiohttp=True),
    "ours, with the store": ours,
}


async def memory(url: str, calls: int, step: int) -> None:
    """Prints this process's resident memory as calls go by, the store on disk."""
    from anlage.llm.cached import CachedModel
    from anlage.llm.message import Message
    from anlage.llm.models import load_model
    from anlage.llm.request import Request
    from anlage.store.store import Store

    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "c.sqlite") as store:
        model = CachedModel(load_model(f"openai:tiny@{url}"), store)
        for start in range(0, calls, step):
            texts = [f"question {n} " + "word " * 100 for n in range(start, start + step)]
            await model.complete([Request((Message("user", t),), max_tokens=64) for t in texts])
            status = Path("/proc/self/status").read_text()
            resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
            print(f"{start + step} calls: {resident:.0f} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", type=int, default=0, help="Only this: memory over N calls.")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--distilabel", default="", help="A Python that has distilabel 1.5.3.")
    chosen = parser.parse_args()
    if chosen.distilabel:
        WAYS["distilabel"] = lambda url, texts: distilabel(chosen.distilabel, url, texts)
    if chosen.memory:
        with server(0.0) as url:
            asyncio.run(memory(url, chosen.memory, max(1, chosen.memory // 10)))
        return
    table = Table(title=f"calls/s, {IN_FLIGHT} in flight, median of {chosen.rounds}")
    for column in ("", "no latency", "500 ms (ceiling 128)"):
        table.add_column(column)
    rates: dict[tuple[str, float], list[float]] = {}
    for latency, calls in ((0.0, chosen.calls), (0.5, min(chosen.calls, 1280))):
        with server(latency) as url:
            for number in range(chosen.rounds):
                for name, way in WAYS.items():
                    RATES.clear()
                    texts = [f"question {number} {n} " + "word " * 100 for n in range(calls)]
                    asyncio.run(way(url, texts))  # type: ignore[arg-type]
                    rates.setdefault((name, latency), []).append(RATES[0])
                    print(f"{latency * 1000:.0f} ms, {name}: {RATES[0]:.1f} calls/s", flush=True)
    for name in WAYS:
        middle = [statistics.median(rates[name, latency]) for latency in (0.0, 0.5)]
        table.add_row(name, *(f"{value:.1f}" for value in middle))
    Console().print(table)


if __name__ == "__main__":
    main()
